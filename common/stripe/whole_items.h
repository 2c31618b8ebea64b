// A subscription shows only the first page of its items; who wants the whole asks for their list too. Pure.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh::stripe {

// Whether the subscription's item list goes on (items.has_more). False for what isn't a subscription.
bool HasMoreItems(std::string_view subscription_json);

// The subscription with the list's items in place of its own. INVALID_ARGUMENT where either isn't what it should be.
// A list that goes on itself leaves has_more as it is: the reader then says that items are missing.
absl::StatusOr<std::string> WithItems(std::string_view subscription_json, std::string_view list_json);

}  // namespace billmesh::stripe
