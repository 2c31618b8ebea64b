// A tenant's life at the provider, played by the simulator from a seed: what it bought, how it paid, what went wrong,
// and every event that tells of it. A life is data: it's delivered to as many tenants as wanted, with ids of their own.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace billmesh::convergence {

// The API versions that events come in: the one that we pin, and one before the changes of 2025.
enum class Shape { kPinned, kOld };
inline constexpr int kShapes = 2;

// How the objects of a kind are retrieved from the provider, and what we call the kind.
struct Retrieval {
  const char* object;  // Stripe's word
  const char* path;
  const char* kind;  // ours
};
inline constexpr Retrieval kRetrievals[] = {
    {"customer", "/v1/customers/", "customer"},
    {"checkout.session", "/v1/checkout/sessions/", "checkout_session"},
    {"subscription", "/v1/subscriptions/", "subscription"},
    {"invoice", "/v1/invoices/", "invoice"},
    {"payment_intent", "/v1/payment_intents/", "payment"},
    {"charge", "/v1/charges/", "charge"},
    {"refund", "/v1/refunds/", "refund"},
    {"dispute", "/v1/disputes/", "dispute"},
    {"credit_note", "/v1/credit_notes/", "credit_note"},
    {"invoice_payment", "/v1/invoice_payments/", "invoice_payment"},
    {"payment_method", "/v1/payment_methods/", "payment_method"},
};

// Stands for the entity's id wherever the metadata carry it.
inline constexpr char kEntityPlaceholder[] = "0e0e0e0e-0e0e-4e0e-8e0e-0e0e0e0e0e0e";

struct LifeEvent {
  std::string id;
  std::string type;
  std::string object_id;
  int64_t created = 0;  // unix seconds
  std::array<std::string, kShapes> bodies;
};

// An object as the provider answered it, at the pinned version.
struct LifeObject {
  std::string kind;  // ours (common/provider/object_format.h)
  std::string id;
  std::string json;
};
// All of them that the provider had at one time.
struct LifeSnapshot {
  int64_t date = 0;  // of the answers, unix seconds
  std::vector<LifeObject> objects;
};

// What our own side had stored of an operation when its events began to come.
enum class StoredSession {
  kOpen,       // Tx B has run
  kHold,       // it ended in doubt, with a hold (IDM-10)
  kNone,       // its Tx B never ran (WHK-10), or it makes no session that is kept
  kAbandoned,  // given up here, while the session lived on at the provider
  kExpired,    // ended here by the clock
};
struct LifeOperation {
  std::string key;
  std::string action;      // checkout or create_payment_link
  std::string session_id;  // of a checkout
  StoredSession stored = StoredSession::kNone;
  int64_t started = 0;        // unix seconds: no event tells of it that is older
  LifeSnapshot before_start;  // what a checkout sees that looks at the provider first (CHK-4)
};

struct Life {
  uint64_t seed = 0;
  std::vector<std::string> script;  // what was done, for people
  std::string customer_id;
  std::string plan = "pro/1";  // code and version of what its checkouts buy
  std::vector<LifeOperation> operations;
  std::vector<LifeEvent> events;        // as they happened
  std::vector<LifeSnapshot> snapshots;  // taken meanwhile
  LifeSnapshot present;                 // the provider's last word, dated after the last event
};

// Deterministic: the same seed gives the same life. Aborts the program where the simulator refuses what every life
// needs.
Life MakeLife(uint64_t seed);

}  // namespace billmesh::convergence
