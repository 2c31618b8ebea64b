#include "services/webhook/object_batch.h"

#include <algorithm>
#include <set>

#include "common/status/status.h"
#include "services/webhook/customer_rules.h"
#include "services/webhook/payment_rules.h"
#include "services/webhook/projection_outcome.h"

namespace billmesh::webhook {

namespace {

// What others belong to comes before them, so that it is here when they are bound and applied.
int Rank(const ProviderObject& object) {
  const bool child =
      std::holds_alternative<provider::Refund>(object) || std::holds_alternative<provider::Dispute>(object) ||
      std::holds_alternative<provider::CreditNote>(object) || std::holds_alternative<provider::InvoicePayment>(object);
  const bool payment =
      std::holds_alternative<provider::Payment>(object) || std::holds_alternative<provider::Charge>(object);
  return child ? 2 : payment ? 1 : 0;
}

// The other objects that a parked one waits for.
std::vector<std::string> WaitsFor(Owner owner, const EventKeys& keys) {
  std::vector<std::string> ids;
  if (owner != Owner::kPayments) return ids;
  if (keys.payment_id.has_value()) ids.push_back(*keys.payment_id);
  if (keys.invoice_id.has_value()) ids.push_back(*keys.invoice_id);
  return ids;
}

// One overload a kind.
struct ApplyVisitor {
  EntityState& state;
  const ApplyContext& context;
  // Route and OwnerOfKind let nothing through that isn't read.
  Applied operator()(const std::monostate&) const { return Refuse(Disposition::kFailed, kObjectNotRead); }
  Applied operator()(const provider::CheckoutSession& o) const { return ApplyCheckoutSession(state, o, context); }
  Applied operator()(const provider::Subscription& o) const { return ApplySubscription(state, o, context); }
  Applied operator()(const provider::Invoice& o) const { return ApplyInvoice(state, o, context); }
  Applied operator()(const provider::Customer& o) const { return ApplyCustomer(state, o, context); }
  Applied operator()(const provider::PaymentMethod& o) const { return ApplyPaymentMethod(state, o, context); }
  Applied operator()(const provider::Payment& o) const { return ApplyPayment(state, o, context); }
  Applied operator()(const provider::Charge& o) const { return ApplyCharge(state, o, context); }
  Applied operator()(const provider::Refund& o) const { return ApplyRefund(state, o, context); }
  Applied operator()(const provider::Dispute& o) const { return ApplyDispute(state, o, context); }
  Applied operator()(const provider::CreditNote& o) const { return ApplyCreditNote(state, o, context); }
  Applied operator()(const provider::InvoicePayment& o) const { return ApplyInvoicePayment(state, o, context); }
};

template <typename Rows, typename Key>
void AddBorn(const Rows& rows, Key key, std::vector<std::string>& ids) {
  for (const auto& tracked : rows) {
    if (!tracked.stored.has_value()) ids.push_back(tracked.row.*key);
  }
}

}  // namespace

absl::Status ObjectBatch::Apply(db::Tx& tx) {
  if (items_.empty()) return absl::OkStatus();
  std::stable_sort(items_.begin(), items_.end(),
                   [](const Item& a, const Item& b) { return Rank(*a.object) < Rank(*b.object); });
  RETURN_IF_ERROR(tx.Flush());
  Bind();
  RETURN_IF_ERROR(Load(tx));
  for (const Item& item : items_) {
    ObjectResult& result = *item.result;
    if (result.disposition != Disposition::kPending) continue;
    result.applied = ApplyOne(item, states_.at(result.entity_id));
    result.disposition = result.applied.disposition;
    result.reason = result.applied.reason;
  }
  for (const Item& item : items_) {
    if (item.result->disposition == Disposition::kParked) item.result->waits_for = WaitsFor(item.owner, item.keys);
  }
  return absl::OkStatus();
}

// A child that comes before its parent's transaction has ended must see the parent, or be seen by it: whoever names the
// same payment or invoice takes turns. Before the entities are locked, everywhere, so that nobody waits in a circle.
void ObjectBatch::TakeTurns(db::Tx& tx) const {
  std::vector<std::string> ids;
  for (const Item& item : items_) {
    if (item.owner != Owner::kPayments && item.owner != Owner::kInvoices) continue;
    if (item.keys.payment_id.has_value()) ids.push_back(*item.keys.payment_id);
    if (item.keys.invoice_id.has_value()) ids.push_back(*item.keys.invoice_id);
  }
  LockObjects(tx, provider_, ids);
}

void ObjectBatch::Ask(db::Tx& tx) {
  TakeTurns(tx);
  EvidenceQuery query;
  for (const Item& item : items_) query.Add(item.keys);
  QueueEvidence(tx, provider_, env_, query, evidence_);
}

void ObjectBatch::Remove(const ObjectResult& result) {
  const auto gone = std::remove_if(items_.begin(), items_.end(), [&](const Item& i) { return i.result == &result; });
  items_.erase(gone, items_.end());
}

void ObjectBatch::Bind() {
  for (const Item& item : items_) {
    Binding binding = webhook::Bind(item.owner, item.keys, evidence_, env_);
    ObjectResult& result = *item.result;
    result.disposition = binding.disposition;
    result.reason = std::move(binding.reason);
    result.entity_id = std::move(binding.entity_id);
    result.correlated_entity_id = std::move(binding.correlated_entity_id);
    result.operation_key = KnownOperation(item.keys, evidence_);
    if (result.disposition == Disposition::kPending) Learn(*item.object, result.entity_id, evidence_);
  }
}

absl::Status ObjectBatch::Load(db::Tx& tx) {
  std::set<std::string> entities;
  EvidenceQuery touched;
  for (const Item& item : items_) {
    if (item.result->disposition != Disposition::kPending) continue;
    entities.insert(item.result->entity_id);
    EventKeys keys = item.keys;
    // An invoice writes nothing but itself: its subscription needn't be loaded. Nor a payment's invoice.
    if (item.owner == Owner::kInvoices) keys.subscription_id.reset();
    if (item.owner == Owner::kPayments && !keys.credit_note_id.has_value()) keys.invoice_id.reset();
    touched.Add(keys);
  }
  const std::vector<std::string> ids(entities.begin(), entities.end());
  LockEntities(tx, ids);
  ASSIGN_OR_RETURN(states_, LoadStates(tx, provider_, ids, touched));
  return absl::OkStatus();
}

Applied ObjectBatch::ApplyOne(const Item& item, EntityState& state) {
  ApplyContext context;
  context.version = item.version;
  context.operation_key = item.result->operation_key;
  context.new_row_id = ids_.NewId();
  // Bind has seen to it that a linked customer is this entity's.
  if (item.keys.customer_id.has_value() && evidence_.entity_of_customer.count(*item.keys.customer_id) > 0) {
    context.linked_customer_id = item.keys.customer_id;
  }
  if (context.operation_key.has_value()) {
    const auto at = evidence_.operations.find(*context.operation_key);
    if (at != evidence_.operations.end()) context.operation = &at->second;
  }
  return std::visit(ApplyVisitor{state, context}, *item.object);
}

absl::Status ObjectBatch::Write(db::Tx& tx, std::vector<Duplicate>& duplicates) {
  RETURN_IF_ERROR(WriteStates(tx, ids_, env_, provider_, states_, duplicates));
  RETURN_IF_ERROR(WritePayments(tx, env_, provider_, states_));
  RETURN_IF_ERROR(WriteCustomers(tx, env_, provider_, states_));
  return outbox::EnqueueAll(tx, ids_, RefreshJobs()).status();
}

// WHK-5: what only ids told apart, or what is missed, is asked for, so that the truth wins.
std::vector<outbox::NewJob> ObjectBatch::RefreshJobs() const {
  std::vector<outbox::NewJob> jobs;
  const auto promise = [&](const Item& item, std::string_view kind, std::string_view id) {
    jobs.push_back(
        outbox::RefreshJob(env_, item.result->entity_id,
                           {std::string(kind), std::string(id), item.version.at.value_or(absl::UnixEpoch())}));
  };
  for (const Item& item : items_) {
    const ObjectResult& result = *item.result;
    if (result.disposition != Disposition::kProcessed) continue;
    if (result.applied.tie) promise(item, KindOf(*item.object), IdOf(*item.object));
    if (result.applied.fetch.has_value()) promise(item, result.applied.fetch->kind, result.applied.fetch->id);
  }
  return jobs;
}

void ObjectBatch::BumpChanged(db::Tx& tx, std::vector<EntityChange>& changes) const {
  std::vector<std::string> changed;
  for (const auto& [entity_id, state] : states_) {
    if (state.ContentChanged()) changed.push_back(entity_id);
  }
  BumpRevisions(tx, changed, changes);
}

std::vector<std::string> ObjectBatch::BornIds() const {
  std::vector<std::string> ids;
  for (const auto& [entity_id, state] : states_) {
    AddBorn(state.payments, &PaymentRow::provider_payment_id, ids);
    AddBorn(state.invoices, &InvoiceRow::provider_invoice_id, ids);
  }
  return ids;
}

std::vector<std::string> ObjectBatch::entity_ids() const {
  std::vector<std::string> ids;
  for (const auto& [entity_id, state] : states_) ids.push_back(entity_id);
  return ids;
}

}  // namespace billmesh::webhook
