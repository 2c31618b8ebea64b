#include "services/webhook/customer_rules.h"

#include "services/webhook/merge_row.h"

namespace billmesh::webhook {

Applied ApplyCustomer(EntityState& state, const provider::Customer& customer, const ApplyContext& context) {
  const Stage stage = customer.deleted ? Stage::kEnded : Stage::kLive;
  const auto stored_stage = [](const CustomerRow& row) { return StageOf(row); };
  return MergeRow(
      state.customers, {&CustomerRow::provider_customer_id, customer.id, state.entity_id}, stage, stored_stage, context,
      [](CustomerRow&) {},
      [&](CustomerRow& row) {
        row.default_payment_method_id = customer.deleted ? std::nullopt : customer.default_payment_method_id;
        // Being told again doesn't move it.
        if (customer.deleted && !row.deleted_at.has_value()) row.deleted_at = context.version.at;
      });
}

Applied ApplyPaymentMethod(EntityState& state, const provider::PaymentMethod& method, const ApplyContext& context) {
  const bool detached = !method.customer_id.has_value();
  const bool stored =
      FindRow(state.payment_methods, &PaymentMethodRow::provider_payment_method_id, method.id) != nullptr;
  if (!stored && !context.linked_customer_id.has_value()) return Refuse(Disposition::kFailed, kNoCustomer);
  const auto stored_stage = [](const PaymentMethodRow& row) { return StageOf(row); };
  const auto begin = [&](PaymentMethodRow& row) { row.provider_created_at = method.created_at; };
  return MergeRow(state.payment_methods, {&PaymentMethodRow::provider_payment_method_id, method.id, state.entity_id},
                  detached ? Stage::kEnded : Stage::kLive, stored_stage, context, begin, [&](PaymentMethodRow& row) {
                    if (context.linked_customer_id.has_value()) row.provider_customer_id = *context.linked_customer_id;
                    row.type = method.type;
                    row.brand = method.brand;
                    row.last4 = method.last4;
                    row.exp_month = method.exp_month;
                    row.exp_year = method.exp_year;
                    row.wallet = method.wallet;
                    if (detached && !row.detached_at.has_value()) row.detached_at = context.version.at;
                  });
}

}  // namespace billmesh::webhook
