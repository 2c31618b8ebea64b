// Where each call goes: the one table of the provider's paths. Templates ("/v1/customers/{id}") are
// also the label of metrics, so that ids never become labels.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::stripe {

inline constexpr std::string_view kAccountPath = "/v1/account";
inline constexpr std::string_view kExpireSessionPath = "/v1/checkout/sessions/{id}/expire";

// A kind of List that only this room asks for.
inline constexpr char kSubscriptionItemKind[] = "subscription_item";

// The member of frozen parameters that names the object which a call changes. It goes into the path, and isn't sent as
// a parameter; it stands among them so that their hash covers it (IDM-7).
inline constexpr char kObjectMember[] = "$object";

// Of a write. A path with "{id}" needs the object.
struct WriteEndpoint {
  std::string_view method;  // POST, or DELETE, which takes no idempotency key
  std::string_view path;    // empty for a purpose that isn't known
  bool TakesObject() const;
};
WriteEndpoint WriteEndpointOf(std::string_view purpose);

// The path of a list and of a retrieve by the kind of object; empty for one that isn't known.
std::string_view ListPath(std::string_view kind);
std::string_view RetrievePath(std::string_view kind);

// Puts the id into the template. INVALID_ARGUMENT for an id that is empty, longer than 255
// characters, or holds anything but letters, digits, '_' and '-'.
absl::StatusOr<std::string> FillPath(std::string_view path, std::string_view id);

// The provider's name of a filter of provider::ListQuery; empty for one that it doesn't know.
std::string_view FilterName(std::string_view filter);

}  // namespace billmesh::stripe
