// What billing needs of a payment provider (PRV-1). Stripe is the first implementation (common/stripe). Every call
// blocks, is thread safe, and must never run while a transaction is open (IDM-15).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::provider {

// How sure the provider's answer is (IDM-8).
enum class Outcome {
  kSuccess,   // it was done; `object_json` holds the object
  kRejected,  // it was refused for certain, and nothing was made
  kUnknown,   // time-out, reset, 5xx, 429, key conflict, unreadable answer: it may or may not have been done
};

// Who goes first when calls wait for a place (REC-5).
enum class Priority { kInteractive, kBackground };

struct CallOptions {
  absl::Duration timeout = absl::Seconds(20);  // for all attempts together
  // By Clock::Monotonic: nothing is sent after it. An instant, not a span: a process that was stopped between the
  // decision to call and the call must not send in the time of another's lease (IDM-13).
  absl::Duration not_after = absl::InfiniteDuration();
  Priority priority = Priority::kInteractive;
};

struct CallResult {
  Outcome outcome = Outcome::kUnknown;
  int http_status = 0;      // 0 when no answer came
  std::string object_json;  // kSuccess: the answer's body
  std::string error_type;   // Stripe's error.type, code and param; empty when no answer came
  std::string error_code;
  std::string error_param;
  std::string error_message;                // for logs inside, never for clients
  std::string request_id;                   // the provider's
  std::optional<absl::Time> provider_date;  // the answer's Date header: dates what we fetch (WHK-5)
  bool not_found = false;                   // a definite "no such object" of a retrieve
  // Refused for certain, and no sending of this call is under way any more. One of an earlier call may have been done,
  // and then the outcome is kUnknown all the same (IDM-8).
  bool refused = false;
  // The provider was called, whatever came of it. False: our own bounds kept the call from being made.
  bool tried = false;
  // The provider repeated an answer that it had stored under the key: the first execution has ended (IDM-9).
  bool replayed = false;
};

// What is frozen beside the parameters of a step (IDM-4), so that a replay can prove that it is the same request
// (IDM-7).
struct Provenance {
  std::string provider;        // "stripe"
  std::string api_version;     // "2026-10-28.endive"
  std::string account_id;      // the provider account that our key belongs to
  std::string client_name;     // "billmesh-stripe"
  std::string client_version;  // "1.0.0"; the major version guards replays
};

// A write exactly as frozen: what makes an object, or changes one that is there.
struct FrozenCall {
  std::string purpose;  // object_format.h
  std::string idempotency_key;
  std::string params_json;  // canonical JSON, as stored
  // An earlier holder may have sent it: a refusal then proves nothing (IDM-8).
  bool may_have_been_sent = false;
};

// A page of a list.
struct ListQuery {
  std::map<std::string, std::string> filters;  // provider-neutral: customer, created_gte and created_lte (unix
                                               // seconds), status, subscription, email
  int limit = 100;
  std::string starting_after;
};

class PaymentProvider {
 public:
  virtual ~PaymentProvider() = default;
  // Known after the first successful call to the provider's account endpoint; PROVIDER_UNAVAILABLE before.
  virtual absl::StatusOr<Provenance> GetProvenance() = 0;
  // Sends a frozen call with its key. Retries inside the timeout by the provider's rules, always with the same body
  // and key. Where the provider takes no key for a purpose (ending a subscription), sending twice has the effect of
  // once.
  virtual CallResult Send(const FrozenCall& call, const CallOptions& options) = 0;
  // Present state of an object. kind: object_format.h. A subscription comes with all its items.
  virtual CallResult Retrieve(std::string_view kind, std::string_view id, const CallOptions& options) = 0;
  // A list of objects of a kind, newest first; object_json is the provider's list document.
  virtual CallResult List(std::string_view kind, const ListQuery& query, const CallOptions& options) = 0;
  // Ends an open checkout session. A session that isn't open any more is kRejected.
  virtual CallResult ExpireCheckoutSession(std::string_view id, std::string_view idempotency_key,
                                           const CallOptions& options) = 0;
};

}  // namespace billmesh::provider
