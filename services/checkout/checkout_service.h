// Use cases of CheckoutService. Owns the transaction boundaries (writes: the kernel's). Thread safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "billing/types/v1/entity.pb.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "services/checkout/checkout_action.h"
#include "services/checkout/checkout_request.h"
#include "services/checkout/operation.h"
#include "services/checkout/operation_kernel.h"
#include "services/checkout/session_transitions.h"

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
    const CheckoutAction& action;
    std::string env;
  };
  explicit CheckoutService(Deps deps) : deps_(std::move(deps)) {}

  // Opens a hosted checkout, or replays the outcome of the key. Needs workspace.billing.manage. The order and key must
  // be checked already (checkout_request.h). Refusals: see checkout.proto.
  absl::StatusOr<CheckoutAnswer> StartCheckout(const auth::Caller& caller,
                                               const billing::types::v1::EntitySelector& selector,
                                               const std::string& client_key, const CheckoutOrder& order);

  // What became of an operation of the entity. Needs workspace.billing.read. NOT_FOUND (what: operation).
  absl::StatusOr<CheckoutView> GetCheckout(const auth::Caller& caller,
                                           const billing::types::v1::EntitySelector& selector,
                                           const std::string& operation);

 private:
  absl::StatusOr<std::string> ResolveOwner(const auth::Caller& caller,
                                           const billing::types::v1::EntitySelector& selector,
                                           std::string_view permission);
  const Deps deps_;
};

}  // namespace billmesh::checkout
