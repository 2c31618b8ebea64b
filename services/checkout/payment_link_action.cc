#include "services/checkout/payment_link_action.h"

#include <optional>

#include "common/audit/audit_store.h"
#include "common/catalog/item.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "services/checkout/idempotency_store.h"
#include "services/checkout/item_resolution.h"
#include "services/checkout/item_store.h"
#include "services/checkout/redirect_path.h"
#include "services/checkout/step_store.h"

namespace billmesh::checkout {
namespace {

constexpr int64_t kLinkOrdinal = 1;

}  // namespace

std::string PaymentLinkAction::audit_started() const { return audit::kPaymentLinkStarted; }
std::string PaymentLinkAction::audit_created() const { return audit::kPaymentLinkCreated; }
std::string PaymentLinkAction::audit_refused() const { return audit::kPaymentLinkRefused; }

absl::StatusOr<Admission> PaymentLinkAction::Admit(const ActionContext& context, const WriteRequest& request,
                                                   bool) const {
  ASSIGN_OR_RETURN(const PaymentLinkOrder order, DecodePaymentLinkOrder(request.canonical_request));
  ASSIGN_OR_RETURN(LineOrRefusal line, Resolve(context, order, /*admitted=*/false));
  if (auto* refusal = std::get_if<Refusal>(&line)) return *std::move(refusal);
  return Claim{};
}

absl::Status PaymentLinkAction::Consulted(const ActionContext&, const Consult&, const provider::CallResult&) const {
  return absl::InternalError("a payment link consults nobody");
}

absl::StatusOr<PaymentLinkAction::LineOrRefusal> PaymentLinkAction::Resolve(const ActionContext& context,
                                                                            const PaymentLinkOrder& order,
                                                                            bool admitted) const {
  std::optional<catalog::OneOffItem> item;
  if (!order.ad_hoc.has_value()) {
    ASSIGN_OR_RETURN(item, FindItem(context.tx, order.item_code));
  }
  const std::string provider = deps_.format.provider();
  LineOrRefusal line = ResolveItem(
      order, item.has_value() ? &*item : nullptr,
      {.provider = provider, .currency = deps_.currency, .entity_kind = context.entity.kind, .admitted = admitted});
  if (const auto* refusal = std::get_if<Refusal>(&line);
      refusal != nullptr && refusal->reason == Reason::FAILURE_REASON_CHECKOUT_CONFIGURATION_INVALID) {
    telemetry::Guardrail(
        "BILLING_CHECKOUT_CONFIGURATION_INVALID",
        {{"item_code", order.item_code}, {"why", refusal->metadata.at("why")}, {"entity_id", context.entity.id}});
  }
  return line;
}

absl::StatusOr<Progress> PaymentLinkAction::Advance(const ActionContext& context, const Operation& operation,
                                                    const StepDone* done) const {
  if (done != nullptr) {
    ASSIGN_OR_RETURN(const provider::HostedPage page, deps_.format.ReadHostedPage(done->object_json));
    ASSIGN_OR_RETURN(std::string response, EncodeAnswer(PaymentLinkAnswer{operation.id, page.url}));
    return Succeeded{std::move(response)};
  }
  // A step that can't be sent again ends the operation. Should its link appear after all, nobody knows its URL: there
  // is nothing to guard against (IDM-10 is about what a buyer was sent to).
  ASSIGN_OR_RETURN(auto step, LastStepOf(context.tx, operation.id));
  if (step.has_value()) return NextStep{.step = *std::move(step)};
  return FreezeLink(context, operation);
}

absl::StatusOr<Progress> PaymentLinkAction::FreezeLink(const ActionContext& context, const Operation& operation) const {
  ASSIGN_OR_RETURN(const PaymentLinkOrder order, DecodePaymentLinkOrder(operation.canonical_request));
  ASSIGN_OR_RETURN(LineOrRefusal line, Resolve(context, order, /*admitted=*/true));
  if (auto* refusal = std::get_if<Refusal>(&line)) return *std::move(refusal);

  provider::PaymentLinkSpec spec;
  spec.lines = {std::get<provider::OneOffLine>(std::move(line))};
  if (!order.success_path.empty()) {
    ASSIGN_OR_RETURN(spec.success_url, JoinRedirect(deps_.public_base_url, order.success_path, "success_path"));
  }
  spec.metadata = {{std::string(provider::kMetadataOperationKey), operation.operation_key},
                   {std::string(provider::kMetadataEntityId), operation.entity_id},
                   {std::string(provider::kMetadataEnv), operation.env}};
  if (!order.item_code.empty()) spec.metadata[std::string(provider::kMetadataItemCode)] = order.item_code;

  StepDraft draft;
  draft.id = deps_.ids.NewId();
  draft.entity_id = operation.entity_id;
  draft.operation_id = operation.id;
  draft.ordinal = kLinkOrdinal;
  draft.purpose = provider::kCreatePaymentLink;
  draft.operation_key = operation.operation_key;
  ASSIGN_OR_RETURN(draft.params, deps_.format.EncodePaymentLink(spec));
  FrozenStep step = Freeze(std::move(draft), context.provenance, context.now, deps_.replay_window);
  RETURN_IF_ERROR(InsertStep(context.tx, step));
  RETURN_IF_ERROR(SetDeadlines(context.tx, operation, step.replay_deadline_at, std::nullopt));
  return NextStep{.step = std::move(step), .fresh = true};
}

}  // namespace billmesh::checkout
