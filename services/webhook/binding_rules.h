// Whose an event is (WHK-4): decided by what we have stored ourselves; what the provider carries back in metadata only
// confirms. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/provider/objects.h"
#include "services/webhook/event_rules.h"

namespace billmesh::webhook {

// What an event says of its correlation.
struct EventKeys {
  std::optional<std::string> customer_id;
  std::optional<std::string> session_id;
  std::optional<std::string> subscription_id;
  std::optional<std::string> invoice_id;
  std::optional<std::string> payment_id;
  std::optional<std::string> payment_method_id;
  // The object's own id, where nothing is bound by it: only its row is loaded.
  std::optional<std::string> customer_row_id, refund_id, dispute_id, credit_note_id;
  provider::Correlation correlation;
  // Whom an operator bound it to. Their word stands above metadata, and contradicts what is stored of others like them.
  std::optional<std::string> bound_entity_id;
};
EventKeys KeysOf(const provider::Event& event);

// An object of a kind that we read, whatever brought it.
using ProviderObject = provider::Object;
EventKeys KeysOf(const ProviderObject& object);

// What is stored under such keys, in this environment.
struct SessionFact {
  std::string entity_id;
  std::string operation_key;
  std::optional<std::string> session_id;
  std::optional<std::string> customer_id;
};
struct SubscriptionFact {
  std::string entity_id;
  std::optional<std::string> operation_key;
};
// The operation whose links sell once (PRT-2); the name that request_idempotency.action holds.
inline constexpr char kPaymentLinkAction[] = "create_payment_link";

struct OperationFact {
  std::string id;
  std::string entity_id;
  std::string action;
  std::optional<std::string> plan_code;
  std::optional<int64_t> plan_version;
  // The customer that the operation's entity has now, if any.
  std::optional<std::string> live_customer_id;
  // What it sold, if an item of the catalog (ENT-9).
  std::optional<std::string> item_code;
  std::optional<int64_t> item_quantity;
};
struct Evidence {
  std::unordered_map<std::string, std::string> entity_of_customer;
  std::unordered_map<std::string, SessionFact> sessions;               // by provider session id
  std::unordered_map<std::string, SessionFact> sessions_of_operation;  // by operation key
  std::unordered_map<std::string, SubscriptionFact> subscriptions;     // by provider subscription id
  std::unordered_map<std::string, std::string> entity_of_invoice;
  std::unordered_map<std::string, std::string> entity_of_payment;
  std::unordered_map<std::string, std::string> entity_of_payment_method;
  std::unordered_map<std::string, OperationFact> operations;  // by operation key
};

// Reasons of a parked event.
inline constexpr char kNothingStoredMatches[] = "nothing_stored_matches";
inline constexpr char kCustomerNotLinked[] = "customer_not_linked";

struct Binding {
  // kPending: bound to entity_id. Else kParked, kQuarantined or kIgnored, for the reason.
  Disposition disposition = Disposition::kPending;
  std::string entity_id;
  std::string reason;
  // Parked or quarantined: the first entity that something stored names, if any. Says where to look, binds nothing.
  std::string correlated_entity_id = {};
};

// Parked: nothing stored matches, or the object needs a customer link that isn't there yet. Quarantined: two things
// stored, or something stored and the metadata, contradict each other. Ignored: nothing stored matches and the metadata
// name another deployment of ours (TEN-1).
//
// What a payment link sold is bound by its operation's key, whoever paid: the payer is a customer that the provider
// made for the payment, linked to nobody (PRT-2). A customer that is linked must be the entity's, here too.
// Payments and what belongs to them are bound by the payment or the invoice too, and a payment method that has lost its
// customer by what is stored of it: none of these needs a customer then.
Binding Bind(Owner owner, const EventKeys& keys, const Evidence& evidence, std::string_view env);

// Once an object is bound, its row counts as stored for those that belong to it.
void Learn(const ProviderObject& object, const std::string& entity_id, Evidence& evidence);

// The operation key of the event where it is one that we have given out; else none.
std::optional<std::string> KnownOperation(const EventKeys& keys, const Evidence& evidence);

}  // namespace billmesh::webhook
