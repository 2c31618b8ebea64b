#include "services/webhook/object_batch.h"

#include <set>

#include "common/status/status.h"

namespace billmesh::webhook {

absl::Status ObjectBatch::Apply(db::Tx& tx) {
  if (items_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Bind(tx));
  RETURN_IF_ERROR(Load(tx));
  for (const Item& item : items_) {
    ObjectResult& result = *item.result;
    if (result.disposition != Disposition::kPending) continue;
    result.applied = ApplyOne(item, states_.at(result.entity_id));
    result.disposition = result.applied.disposition;
    result.reason = result.applied.reason;
  }
  return absl::OkStatus();
}

absl::Status ObjectBatch::Bind(db::Tx& tx) {
  EvidenceQuery query;
  for (const Item& item : items_) query.Add(item.keys);
  ASSIGN_OR_RETURN(evidence_, LoadEvidence(tx, provider_, env_, query));
  for (const Item& item : items_) {
    Binding binding = webhook::Bind(item.owner, item.keys, evidence_, env_);
    ObjectResult& result = *item.result;
    result.disposition = binding.disposition;
    result.reason = std::move(binding.reason);
    result.entity_id = std::move(binding.entity_id);
    result.correlated_entity_id = std::move(binding.correlated_entity_id);
    result.operation_key = KnownOperation(item.keys, evidence_);
  }
  return absl::OkStatus();
}

absl::Status ObjectBatch::Load(db::Tx& tx) {
  std::set<std::string> entities;
  EvidenceQuery touched;
  for (const Item& item : items_) {
    if (item.result->disposition != Disposition::kPending) continue;
    entities.insert(item.result->entity_id);
    EventKeys keys = item.keys;
    // An invoice writes nothing but itself: its subscription needn't be loaded.
    if (item.owner == Owner::kInvoices) keys.subscription_id.reset();
    touched.Add(keys);
  }
  const std::vector<std::string> ids(entities.begin(), entities.end());
  RETURN_IF_ERROR(LockEntities(tx, ids));
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
  if (const auto* session = std::get_if<provider::CheckoutSession>(item.object)) {
    return ApplyCheckoutSession(state, *session, context);
  }
  if (const auto* subscription = std::get_if<provider::Subscription>(item.object)) {
    return ApplySubscription(state, *subscription, context);
  }
  return ApplyInvoice(state, std::get<provider::Invoice>(*item.object), context);
}

absl::StatusOr<std::vector<Duplicate>> ObjectBatch::Write(db::Tx& tx) {
  return WriteStates(tx, ids_, env_, provider_, states_);
}

absl::StatusOr<std::vector<EntityChange>> ObjectBatch::BumpChanged(db::Tx& tx) {
  std::vector<std::string> changed;
  for (const auto& [entity_id, state] : states_) {
    if (state.ContentChanged()) changed.push_back(entity_id);
  }
  return BumpRevisions(tx, changed);
}

std::vector<std::string> ObjectBatch::entity_ids() const {
  std::vector<std::string> ids;
  for (const auto& [entity_id, state] : states_) ids.push_back(entity_id);
  return ids;
}

}  // namespace billmesh::webhook
