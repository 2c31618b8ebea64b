#include "services/checkout/portal_request.h"

#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/order_fields.h"
#include "services/checkout/redirect_path.h"

namespace billmesh::checkout {

absl::Status CheckOrder(const PortalOrder& order) {
  if (order.return_path.empty()) return InvalidField("return_path", "is required");
  return JoinRedirect("", order.return_path, "return_path").status();
}

absl::StatusOr<std::string> EncodeOrder(const PortalOrder& order) {
  return json::Canonical({{"return_path", order.return_path}});
}

absl::StatusOr<PortalOrder> DecodePortalOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json order, json::Parse(canonical));
  return PortalOrder{TextOf(order, "return_path")};
}

absl::StatusOr<std::string> EncodeAnswer(const PortalAnswer& answer) {
  return json::Canonical({{"operation", answer.operation}, {"url", answer.url}});
}

absl::StatusOr<PortalAnswer> DecodePortalAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json answer, json::Parse(canonical));
  return PortalAnswer{TextOf(answer, "operation"), TextOf(answer, "url")};
}

}  // namespace billmesh::checkout
