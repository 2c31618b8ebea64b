// Who may call which method (TEN-3): one table for all daemons, method by method; what isn't in it is refused. A test
// walks the descriptors of all services and asks for a row each.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "common/auth/identity.h"

namespace billmesh::auth {

// Permissions of TEN-3. Entity-bound ones are checked once the entity is known (EntityAccess); here only whether a user
// is needed.
inline constexpr char kBillingManage[] = "workspace.billing.manage";
inline constexpr char kBillingRead[] = "workspace.billing.read";
inline constexpr char kBillingOperator[] = "billing.operator";

// What a method asks of the user when it is the edge that calls.
enum class UserRule {
  kNoUser,    // no user takes part (webhooks)
  kSignedIn,  // any verified user; entity permissions are checked by the method
  kOperator,  // a user with billing.operator
};

struct MethodRule {
  std::string_view method;  // "/billing.checkout.v1.CheckoutService/StartCheckout"
  std::vector<CallerKind> callers;
  UserRule user;
};

const std::vector<MethodRule>& MethodPolicy();

// OK, or UNAUTHENTICATED (the edge without a needed user) or PERMISSION_DENIED. Fails closed for unlisted methods.
absl::Status AuthorizeMethod(std::string_view method, const Caller& caller);

// Whether a member's role (owner, admin, member, viewer) carries an entity-bound permission: the one table of TEN-3.
bool RoleGrants(std::string_view role, std::string_view permission);

}  // namespace billmesh::auth
