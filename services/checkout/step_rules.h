// What is known of each purpose of a frozen step: the kind of object that it makes or changes, and how an outcome that
// nobody knows is resolved (IDM-9, PRT-3). The one table. Pure.
#pragma once

#include <array>
#include <string_view>

#include "common/provider/object_format.h"

namespace billmesh::checkout {

enum class Resolution {
  kLookUp,   // it makes an object that carries our metadata: look for it
  kInspect,  // it changes an object that we know: look whether the change is there
  kRepeat,   // what it makes harms nobody and can't be found: make another
};

struct StepRule {
  std::string_view purpose;
  std::string_view kind;  // of PaymentProvider::Retrieve and List; empty: neither is possible
  Resolution resolution;
};

inline constexpr std::array<StepRule, 8> kStepRules = {{
    {provider::kCreateCustomer, provider::kCustomerKind, Resolution::kLookUp},
    {provider::kCreateCheckoutSession, provider::kCheckoutSessionKind, Resolution::kLookUp},
    {provider::kExpireCheckoutSession, provider::kCheckoutSessionKind, Resolution::kInspect},
    {provider::kCreatePortalSession, "", Resolution::kRepeat},
    {provider::kCreatePaymentLink, provider::kPaymentLinkKind, Resolution::kLookUp},
    {provider::kUpdateSubscription, provider::kSubscriptionKind, Resolution::kInspect},
    {provider::kCancelSubscription, provider::kSubscriptionKind, Resolution::kInspect},
    {provider::kReadSubscription, provider::kSubscriptionKind, Resolution::kInspect},
}};

// Null for a purpose that no action freezes: nothing is sent for it.
constexpr const StepRule* RuleOfStep(std::string_view purpose) {
  for (const StepRule& rule : kStepRules) {
    if (rule.purpose == purpose) return &rule;
  }
  return nullptr;
}

}  // namespace billmesh::checkout
