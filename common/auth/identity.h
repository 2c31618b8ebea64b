// Who is calling (TEN-2): a service by its client certificate, and a user on whose behalf it calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace billmesh::auth {

// What a certificate name (URI SAN) stands for. Names: spiffe://billmesh/<daemon>, spiffe://billmesh/operator/<name>
// and spiffe://billmesh/service/<name>.
enum class CallerKind {
  kUnknown,  // anything else: refused everywhere
  kEdge,
  kCheckout,
  kWebhook,
  kEntitlements,
  kReconciler,
  kOperator,
  kService,
};

// The kind of a URI SAN.
CallerKind KindOfCertificate(std::string_view uri_san);

struct UserIdentity {
  std::string subject;                   // JWT `sub`
  std::vector<std::string> permissions;  // deployment-wide ones from the token, for example billing.operator
  bool Has(std::string_view permission) const;
};

struct Caller {
  std::string certificate_name;  // the URI SAN
  CallerKind kind = CallerKind::kUnknown;
  std::optional<UserIdentity> user;  // set only when the edge asserted one (TEN-2)

  // For audit rows: "user:<subject>" or "service:<certificate name>".
  std::string AuditActor() const;
};

// Metadata key that carries the edge's signed assertion of a user.
inline constexpr char kUserAssertionHeader[] = "x-billmesh-user-assertion";

}  // namespace billmesh::auth
