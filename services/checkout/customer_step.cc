#include "services/checkout/customer_step.h"

#include <optional>
#include <utility>

#include "common/audit/audit_store.h"
#include "common/audit/digest.h"
#include "common/status/status.h"
#include "services/checkout/customer_store.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {

absl::StatusOr<CustomerOrStep> NextForCustomer(const CustomerStepDeps& deps, const ActionContext& context,
                                               const Operation& operation) {
  const std::string provider = deps.format.provider();
  ASSIGN_OR_RETURN(const auto linked, LiveCustomer(context.tx, context.entity.id, provider));
  if (linked.has_value()) return *linked;

  ASSIGN_OR_RETURN(auto pending, PendingEntityStep(context.tx, context.entity.id, provider));
  if (pending.has_value()) return NextStep{.step = *std::move(pending)};

  ASSIGN_OR_RETURN(const int64_t earlier, CountEntitySteps(context.tx, context.entity.id, provider));
  provider::CustomerSpec spec;
  spec.name = context.entity.display_name;
  spec.metadata = {{std::string(provider::kMetadataOperationKey), operation.operation_key},
                   {std::string(provider::kMetadataEntityId), context.entity.id},
                   {std::string(provider::kMetadataEnv), context.entity.env}};
  StepDraft draft;
  draft.id = deps.ids.NewId();
  draft.entity_id = context.entity.id;
  draft.ordinal = earlier + 1;
  draft.purpose = provider::kCreateCustomer;
  draft.operation_key = operation.operation_key;
  ASSIGN_OR_RETURN(draft.params, deps.format.EncodeCustomer(spec));
  FrozenStep step = Freeze(std::move(draft), context.provenance, context.now, deps.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  return NextStep{.step = std::move(step), .fresh = true};
}

absl::Status StoreCustomer(const CustomerStepDeps& deps, const ActionContext& context, const Operation& operation,
                           const StepDone& done) {
  ASSIGN_OR_RETURN(const bool linked,
                   LinkCustomer(context.tx, deps.ids, context.entity.id, deps.format.provider(), done.object_id));
  if (!linked) return absl::OkStatus();
  return audit::Append(context.tx, deps.ids,
                       {{.env = context.entity.env,
                         .entity_id = context.entity.id,
                         .actor = operation.actor,
                         .action = audit::kCustomerLinked,
                         .operation_key = operation.operation_key,
                         .after_digest = audit::Digest({{"entity_id", context.entity.id},
                                                        {"provider", deps.format.provider()},
                                                        {"provider_customer_id", done.object_id}})}});
}

}  // namespace billmesh::checkout
