#include "common/auth/identity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace billmesh::auth {
namespace {

constexpr std::string_view kTrustDomain = "spiffe://billmesh/";
constexpr std::string_view kOperatorPrefix = "operator/";
constexpr std::string_view kServicePrefix = "service/";
constexpr size_t kMaxNameLength = 128;

struct DaemonName {
  std::string_view name;
  CallerKind kind;
};
constexpr DaemonName kDaemonNames[] = {
    {"edge", CallerKind::kEdge},
    {"checkout", CallerKind::kCheckout},
    {"webhook", CallerKind::kWebhook},
    {"entitlements", CallerKind::kEntitlements},
    {"reconciler", CallerKind::kReconciler},
};

// What may follow operator/ and service/: one segment, so that no name can be read as another.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

CallerKind KindOfCertificate(std::string_view uri_san) {
  if (!ConsumePrefix(uri_san, kTrustDomain)) return CallerKind::kUnknown;
  for (const DaemonName& daemon : kDaemonNames) {
    if (uri_san == daemon.name) return daemon.kind;
  }
  if (ConsumePrefix(uri_san, kOperatorPrefix)) return IsName(uri_san) ? CallerKind::kOperator : CallerKind::kUnknown;
  if (ConsumePrefix(uri_san, kServicePrefix)) return IsName(uri_san) ? CallerKind::kService : CallerKind::kUnknown;
  return CallerKind::kUnknown;
}

bool UserIdentity::Has(std::string_view permission) const {
  return std::find(permissions.begin(), permissions.end(), permission) != permissions.end();
}

std::string Caller::AuditActor() const {
  return user.has_value() ? absl::StrCat("user:", user->subject) : absl::StrCat("service:", certificate_name);
}

}  // namespace billmesh::auth
