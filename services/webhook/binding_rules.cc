#include "services/webhook/binding_rules.h"

namespace billmesh::webhook {
namespace {

template <typename Fact>
const Fact* Look(const std::unordered_map<std::string, Fact>& facts, const std::optional<std::string>& key) {
  if (!key.has_value()) return nullptr;
  const auto it = facts.find(*key);
  return it == facts.end() ? nullptr : &it->second;
}

bool Differ(const std::optional<std::string>& a, const std::optional<std::string>& b) {
  return a.has_value() && b.has_value() && *a != *b;
}

// All that is stored about one event's keys.
struct Found {
  const std::string* customer_entity;
  const SessionFact* session;
  const SessionFact* session_of_operation;
  const SubscriptionFact* subscription;
  const std::string* invoice_entity;
  const std::string* payment_entity;
  const std::string* method_entity;
  const OperationFact* operation;
};

Found Find(const EventKeys& keys, const Evidence& evidence) {
  return {Look(evidence.entity_of_customer, keys.customer_id),
          Look(evidence.sessions, keys.session_id),
          Look(evidence.sessions_of_operation, keys.correlation.operation_key),
          Look(evidence.subscriptions, keys.subscription_id),
          Look(evidence.entity_of_invoice, keys.invoice_id),
          Look(evidence.entity_of_payment, keys.payment_id),
          Look(evidence.entity_of_payment_method, keys.payment_method_id),
          Look(evidence.operations, keys.correlation.operation_key)};
}

// The one entity that everything found names; empty with `agree` true when nothing is found.
struct Named {
  std::string entity_id;
  bool agree = true;
};
Named NamedEntity(const EventKeys& keys, const Found& found) {
  Named named;
  const auto take = [&named](const std::string& entity_id) {
    if (named.entity_id.empty()) named.entity_id = entity_id;
    named.agree = named.agree && named.entity_id == entity_id;
  };
  if (keys.bound_entity_id) take(*keys.bound_entity_id);
  if (found.customer_entity) take(*found.customer_entity);
  if (found.session) take(found.session->entity_id);
  if (found.session_of_operation) take(found.session_of_operation->entity_id);
  if (found.subscription) take(found.subscription->entity_id);
  for (const std::string* entity : {found.invoice_entity, found.payment_entity, found.method_entity}) {
    if (entity) take(*entity);
  }
  if (found.operation) take(found.operation->entity_id);
  return named;
}

// Paid through a payment link, by whoever had it. A link sells no subscription.
bool SoldByLink(const EventKeys& keys, const Found& found) {
  return found.operation != nullptr && found.operation->action == kPaymentLinkAction &&
         !keys.subscription_id.has_value();
}

// What is the entity's without a customer link: what a payment link sold, and whatever belongs to an object that is
// stored already, so that it stays known without its metadata. A session is known by our own key alone.
bool NeedsNoLink(Owner owner, const EventKeys& keys, const Found& found) {
  switch (owner) {
    case Owner::kCheckoutSessions:
      return true;
    case Owner::kInvoices:
      return !keys.subscription_id.has_value() && (found.invoice_entity != nullptr || SoldByLink(keys, found));
    case Owner::kPayments:
      return found.payment_entity != nullptr || found.invoice_entity != nullptr || SoldByLink(keys, found);
    case Owner::kPaymentMethods:
      return found.method_entity != nullptr && !keys.customer_id.has_value();
    default:
      return false;
  }
}

// Why the event contradicts what is stored; null if it doesn't.
const char* Contradiction(const EventKeys& keys, const Found& found, const Named& named, std::string_view env) {
  if (!named.agree) return "stored_entities_differ";
  // An operator's word stands above what metadata say of the entity, not above what is stored.
  const bool bound = keys.bound_entity_id.has_value();
  const provider::Correlation& said = keys.correlation;
  if (!bound && said.entity_id.has_value() && *said.entity_id != named.entity_id) return "metadata_entity_differs";
  if (!bound && said.env.has_value() && *said.env != env) return "metadata_env_differs";
  if (found.session && Differ(said.operation_key, found.session->operation_key)) return "session_operation_differs";
  if (found.session_of_operation && Differ(keys.session_id, found.session_of_operation->session_id)) {
    return "operation_session_differs";
  }
  if (found.session && Differ(keys.customer_id, found.session->customer_id)) return "session_customer_differs";
  // Only a key that we gave out can contradict one that we stored.
  const bool known = found.operation != nullptr || found.session_of_operation != nullptr;
  if (known && found.subscription && Differ(said.operation_key, found.subscription->operation_key)) {
    return "subscription_operation_differs";
  }
  const bool stranger = keys.customer_id.has_value() && found.customer_entity == nullptr;
  if (stranger && found.operation && !SoldByLink(keys, found) &&
      Differ(keys.customer_id, found.operation->live_customer_id)) {
    return "operation_customer_differs";
  }
  if (!bound && found.operation && Differ(said.item_code, found.operation->item_code)) return "operation_item_differs";
  return nullptr;
}

// One overload a kind: what the object says of its correlation.
struct KeysVisitor {
  EventKeys& keys;
  void operator()(const std::monostate&) const {}
  void operator()(const provider::CheckoutSession& session) const {
    keys.customer_id = session.customer_id;
    keys.session_id = session.id;
    keys.subscription_id = session.subscription_id;
    keys.correlation = session.correlation;
  }
  void operator()(const provider::Subscription& subscription) const {
    keys.customer_id = subscription.customer_id;
    keys.subscription_id = subscription.id;
    keys.correlation = subscription.correlation;
  }
  void operator()(const provider::Invoice& invoice) const {
    keys.customer_id = invoice.customer_id;
    keys.invoice_id = invoice.id;
    keys.subscription_id = invoice.subscription_id;
    keys.correlation = invoice.correlation;
  }
  void operator()(const provider::Customer& customer) const {
    keys.customer_id = customer.id;
    keys.customer_row_id = customer.id;
    keys.correlation = customer.correlation;
  }
  void operator()(const provider::PaymentMethod& method) const {
    keys.customer_id = method.customer_id;
    keys.payment_method_id = method.id;
  }
  void operator()(const provider::Payment& payment) const {
    keys.customer_id = payment.customer_id;
    keys.payment_id = payment.id;
    keys.invoice_id = payment.invoice_id;
    keys.correlation = payment.correlation;
  }
  void operator()(const provider::Charge& charge) const {
    keys.customer_id = charge.customer_id;
    keys.payment_id = charge.payment_id;
    keys.invoice_id = charge.invoice_id;
    keys.correlation = charge.correlation;
  }
  void operator()(const provider::Refund& refund) const {
    keys.payment_id = refund.payment_id;
    keys.refund_id = refund.id;
    keys.correlation = refund.correlation;
  }
  void operator()(const provider::Dispute& dispute) const {
    keys.payment_id = dispute.payment_id;
    keys.dispute_id = dispute.id;
  }
  void operator()(const provider::CreditNote& note) const {
    keys.customer_id = note.customer_id;
    keys.invoice_id = note.invoice_id;
    keys.credit_note_id = note.id;
  }
  void operator()(const provider::InvoicePayment& paid) const {
    keys.invoice_id = paid.invoice_id;
    keys.payment_id = paid.payment_id;
  }
};

}  // namespace

EventKeys KeysOf(const provider::Event& event) {
  EventKeys keys = KeysOf(event.object);
  keys.customer_id = event.customer_id;
  return keys;
}

EventKeys KeysOf(const ProviderObject& object) {
  EventKeys keys;
  std::visit(KeysVisitor{keys}, object);
  return keys;
}

Binding Bind(Owner owner, const EventKeys& keys, const Evidence& evidence, std::string_view env) {
  const Found found = Find(keys, evidence);
  const Named named = NamedEntity(keys, found);
  if (named.entity_id.empty()) {
    // A session without our key is no checkout of ours, and no link made later will make it one.
    if (owner == Owner::kCheckoutSessions && !keys.correlation.operation_key.has_value()) {
      return {Disposition::kIgnored, "", kNotOurCheckout};
    }
    if (keys.correlation.env.has_value() && *keys.correlation.env != env) {
      return {Disposition::kIgnored, "", kEnvironmentMismatch};
    }
    return {Disposition::kParked, "", kNothingStoredMatches};
  }
  if (const char* why = Contradiction(keys, found, named, env)) {
    return {Disposition::kQuarantined, "", why, named.entity_id};
  }
  // All else belongs to its customer.
  if (!NeedsNoLink(owner, keys, found) && found.customer_entity == nullptr) {
    return {Disposition::kParked, "", kCustomerNotLinked, named.entity_id};
  }
  return {Disposition::kPending, named.entity_id, ""};
}

void Learn(const ProviderObject& object, const std::string& entity_id, Evidence& evidence) {
  if (const auto* invoice = std::get_if<provider::Invoice>(&object)) {
    evidence.entity_of_invoice.emplace(invoice->id, entity_id);
  } else if (const auto* payment = std::get_if<provider::Payment>(&object)) {
    evidence.entity_of_payment.emplace(payment->id, entity_id);
  } else if (const auto* charge = std::get_if<provider::Charge>(&object)) {
    evidence.entity_of_payment.emplace(charge->payment_id, entity_id);
  } else if (const auto* method = std::get_if<provider::PaymentMethod>(&object)) {
    evidence.entity_of_payment_method.emplace(method->id, entity_id);
  }
}

std::optional<std::string> KnownOperation(const EventKeys& keys, const Evidence& evidence) {
  const Found found = Find(keys, evidence);
  if (found.operation == nullptr && found.session_of_operation == nullptr) return std::nullopt;
  return keys.correlation.operation_key;
}

}  // namespace billmesh::webhook
