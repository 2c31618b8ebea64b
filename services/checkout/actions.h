// All client writes that the kernel runs, each once. Immutable; thread safe.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/cancel_checkout_action.h"
#include "services/checkout/checkout_action.h"
#include "services/checkout/payment_link_action.h"
#include "services/checkout/portal_action.h"
#include "services/checkout/subscription_change_action.h"

namespace billmesh::checkout {

class Actions {
 public:
  // All references must outlive the actions.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    std::string currency;         // BILLING_CURRENCY, lower case
    std::string public_base_url;  // without a trailing slash
    CheckoutTimes times;
  };
  explicit Actions(const Deps& deps);
  Actions(const Actions&) = delete;

  // By the name that is stored with an operation; null for none of ours.
  const Action* Find(std::string_view name) const;

  const CheckoutAction checkout;
  const CancelCheckoutAction cancel_checkout;
  const PortalAction portal;
  const PaymentLinkAction payment_link;
  const CancelSubscriptionAction cancel_subscription;
  const ResumeSubscriptionAction resume_subscription;
  const SetAddOnAction set_add_on;

 private:
  const std::array<const Action*, 7> all_;
};

}  // namespace billmesh::checkout
