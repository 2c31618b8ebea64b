// Use cases of CheckoutService. Owns the transaction boundaries (writes: the kernel's). Thread safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "billing/types/v1/entity.pb.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "services/checkout/actions.h"
#include "services/checkout/cancel_checkout_request.h"
#include "services/checkout/checkout_request.h"
#include "services/checkout/operation.h"
#include "services/checkout/operation_kernel.h"
#include "services/checkout/payment_link_request.h"
#include "services/checkout/payment_method_sync.h"
#include "services/checkout/portal_request.h"
#include "services/checkout/session_refresh.h"
#include "services/checkout/session_transitions.h"
#include "services/checkout/subscription_change_request.h"

namespace billmesh::checkout {

// An operation as its entity's members see it.
struct CheckoutView {
  std::string operation;
  OperationStatus operation_status = OperationStatus::kPending;
  std::string failure_code;
  std::string plan_code;
  std::optional<SessionStatus> session_status;  // none while no session exists
  std::string url;                              // only while it can be paid there
  std::optional<absl::Time> expires_at;
};

class CheckoutService {
 public:
  // All references must outlive the service.
  struct Deps {
    db::Pool& pool;
    OperationKernel& kernel;
    const Actions& actions;
    SessionRefresher& refresher;
    const PaymentMethodSync& methods;
    std::string env;
  };
  explicit CheckoutService(Deps deps) : deps_(std::move(deps)) {}

  using Selector = billing::types::v1::EntitySelector;

  // Client writes: each runs to its end, or replays the outcome of the key. All need workspace.billing.manage. Order
  // and key must be checked already (*_request.h). Refusals and recorded failures: see checkout.proto.
  absl::StatusOr<CheckoutAnswer> StartCheckout(const auth::Caller& caller, const Selector& selector,
                                               const std::string& client_key, const CheckoutOrder& order);
  absl::StatusOr<CancelCheckoutAnswer> CancelCheckout(const auth::Caller& caller, const Selector& selector,
                                                      const std::string& client_key, const CancelCheckoutOrder& order);
  absl::StatusOr<PortalAnswer> CreatePortalSession(const auth::Caller& caller, const Selector& selector,
                                                   const std::string& client_key, const PortalOrder& order);
  // An amount of the caller's own: PERMISSION_DENIED for users.
  absl::StatusOr<PaymentLinkAnswer> CreatePaymentLink(const auth::Caller& caller, const Selector& selector,
                                                      const std::string& client_key, const PaymentLinkOrder& order);
  absl::StatusOr<SubscriptionChangeAnswer> CancelSubscription(const auth::Caller& caller, const Selector& selector,
                                                              const std::string& client_key,
                                                              const CancelSubscriptionOrder& order);
  absl::StatusOr<SubscriptionChangeAnswer> ResumeSubscription(const auth::Caller& caller, const Selector& selector,
                                                              const std::string& client_key,
                                                              const ResumeSubscriptionOrder& order);
  absl::StatusOr<SubscriptionChangeAnswer> SetAddOn(const auth::Caller& caller, const Selector& selector,
                                                    const std::string& client_key, const SetAddOnOrder& order);

  // What became of a checkout of the entity. A session that blocks is brought up to the provider's word first, now and
  // then (CHK-11). Needs workspace.billing.read. NOT_FOUND (what: operation).
  absl::StatusOr<CheckoutView> GetCheckout(const auth::Caller& caller, const Selector& selector,
                                           const std::string& operation);

  // Brings the entity's payment methods up to the provider's word. Needs workspace.billing.manage. Errors:
  // payment_method_sync.h.
  absl::StatusOr<SyncedMethods> SyncPaymentMethods(const auth::Caller& caller, const Selector& selector);

  // Brings a pending operation, of whichever entity and action, to its end where its lease has ended (IDM-9). The
  // method policy guards it. NOT_FOUND (what: operation).
  absl::StatusOr<OperationView> RecoverOperation(const auth::Caller& caller, const std::string& operation);

 private:
  absl::StatusOr<std::string> ResolveOwner(const auth::Caller& caller, const Selector& selector,
                                           std::string_view permission);
  // Runs a write whose canonical order is `order`; its response's canonical JSON.
  absl::StatusOr<std::string> Write(const auth::Caller& caller, const Selector& selector, const std::string& client_key,
                                    const Action& action, absl::StatusOr<std::string> order);
  // The operation as stored, and its key where the provider may have more to say of its session.
  struct StoredCheckout {
    CheckoutView view;
    std::string unsettled_operation_key;
  };
  absl::StatusOr<StoredCheckout> ReadCheckout(const std::string& entity_id, const std::string& operation);

  const Deps deps_;
};

}  // namespace billmesh::checkout
