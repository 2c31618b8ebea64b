// Selling something once through a page of the provider's, as the kernel runs it (PRT-2). The link, the payment and the
// invoice that it makes carry the operation's metadata, so that what was paid is bound to the entity. It has nothing to
// do with checkout: neither stands in the other's way.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"
#include "services/checkout/payment_link_request.h"

namespace billmesh::checkout {

inline constexpr char kPaymentLinkAction[] = "create_payment_link";

class PaymentLinkAction : public Action {
 public:
  // All references must outlive the action.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    std::string currency;          // BILLING_CURRENCY, lower case
    std::string public_base_url;   // without a trailing slash
    absl::Duration replay_window;  // CheckoutTimes::replay_window
  };
  explicit PaymentLinkAction(Deps deps) : deps_(std::move(deps)) {}

  std::string name() const override { return kPaymentLinkAction; }
  std::string audit_started() const override;
  std::string audit_created() const override;
  std::string audit_refused() const override;
  Reason rejection() const override { return Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR; }

  // CHECKOUT_PLAN_NOT_FOUND (item) where the catalog sells no such item, CHECKOUT_CONFIGURATION_INVALID (why) for a
  // currency that isn't the deployment's.
  absl::StatusOr<Admission> Admit(const ActionContext& context, const WriteRequest& request,
                                  bool consulted) const override;
  absl::Status Consulted(const ActionContext& context, const Consult& consult,
                         const provider::CallResult& result) const override;
  absl::StatusOr<Progress> Advance(const ActionContext& context, const Operation& operation,
                                   const StepDone* done) const override;

 private:
  using LineOrRefusal = std::variant<provider::OneOffLine, Refusal>;
  absl::StatusOr<LineOrRefusal> Resolve(const ActionContext& context, const PaymentLinkOrder& order,
                                        bool admitted) const;
  absl::StatusOr<Progress> FreezeLink(const ActionContext& context, const Operation& operation) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
