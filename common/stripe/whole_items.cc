#include "common/stripe/whole_items.h"

#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::stripe {

bool HasMoreItems(std::string_view subscription_json) {
  const auto subscription = json::Parse(subscription_json);
  if (!subscription.ok() || !subscription->is_object()) return false;
  const auto items = subscription->find("items");
  if (items == subscription->end() || !items->is_object()) return false;
  const auto more = items->find("has_more");
  return more != items->end() && more->is_boolean() && more->get<bool>();
}

absl::StatusOr<std::string> WithItems(std::string_view subscription_json, std::string_view list_json) {
  ASSIGN_OR_RETURN(nlohmann::json subscription, json::Parse(subscription_json));
  ASSIGN_OR_RETURN(nlohmann::json list, json::Parse(list_json));
  if (!subscription.is_object() || !list.is_object() || !list.contains("data") || !list["data"].is_array()) {
    return absl::InvalidArgumentError("not a subscription and a list of its items");
  }
  subscription["items"] = std::move(list);
  return subscription.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace billmesh::stripe
