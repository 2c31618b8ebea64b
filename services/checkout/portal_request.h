// What opening the billing portal asks for and answers: checked and in canonical form (IDM-2, PRT-1). Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::checkout {

struct PortalOrder {
  std::string return_path;  // where the buyer comes back to, below the public base URL
};

// INVALID_ARGUMENT or REDIRECT_PATH_INVALID, with the field.
absl::Status CheckOrder(const PortalOrder& order);

// The canonical form: equal orders give equal bytes. INVALID_ARGUMENT for text that isn't UTF-8.
absl::StatusOr<std::string> EncodeOrder(const PortalOrder& order);
absl::StatusOr<PortalOrder> DecodePortalOrder(std::string_view canonical);

// The recorded answer, replayed as long as the URL is good.
struct PortalAnswer {
  std::string operation;
  std::string url;
};
absl::StatusOr<std::string> EncodeAnswer(const PortalAnswer& answer);
absl::StatusOr<PortalAnswer> DecodePortalAnswer(std::string_view canonical);

}  // namespace billmesh::checkout
