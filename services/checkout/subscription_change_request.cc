#include "services/checkout/subscription_change_request.h"

#include <array>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/checkout_request.h"
#include "services/checkout/order_fields.h"

namespace billmesh::checkout {
namespace {

constexpr std::array<std::pair<CancelTiming, std::string_view>, 2> kTimings = {{
    {CancelTiming::kAtPeriodEnd, "at_period_end"},
    {CancelTiming::kNow, "now"},
}};

// A member of a document of ours, of its type.
template <typename T>
absl::StatusOr<T> Member(const nlohmann::json& document, const char* name) {
  const auto it = document.find(name);
  T value{};
  const bool fits = it != document.end() && (std::is_same_v<T, std::string> ? it->is_string()
                                             : std::is_same_v<T, bool>      ? it->is_boolean()
                                                                            : it->is_number_integer());
  if (!fits) return InvalidField(name, "is missing or of another type");
  it->get_to(value);
  return value;
}

absl::StatusOr<AddOnItems> DecodeItems(const nlohmann::json& document) {
  AddOnItems items;
  ASSIGN_OR_RETURN(items.subscription_id, Member<std::string>(document, "subscription"));
  ASSIGN_OR_RETURN(const int64_t as_of, Member<int64_t>(document, "as_of"));
  items.as_of = absl::FromUnixSeconds(as_of);
  const auto ids = document.find("items");
  if (ids == document.end() || !ids->is_array()) return InvalidField("items", "is missing or of another type");
  for (const nlohmann::json& id : *ids) {
    if (!id.is_string()) return InvalidField("items", "must be texts");
    items.item_ids.push_back(id.get<std::string>());
  }
  return items;
}

}  // namespace

absl::Status CheckOrder(const CancelSubscriptionOrder& order) {
  if (order.timing == CancelTiming::kUnset) return InvalidField("timing", "must be AT_PERIOD_END or NOW");
  return absl::OkStatus();
}

absl::Status CheckOrder(const SetAddOnOrder& order) {
  RETURN_IF_ERROR(CheckPlanCode(order.plan_code));
  if (order.quantity >= 0 && order.quantity <= kMaxAddOnQuantity) return absl::OkStatus();
  return InvalidField("quantity", absl::StrCat("must be 0 to ", kMaxAddOnQuantity));
}

absl::StatusOr<std::string> EncodeOrder(const CancelSubscriptionOrder& order) {
  for (const auto& [timing, name] : kTimings) {
    if (timing == order.timing) return json::Canonical({{"timing", std::string(name)}});
  }
  return InvalidField("timing", "is required");
}

absl::StatusOr<std::string> EncodeOrder(const ResumeSubscriptionOrder&) {
  return json::Canonical(nlohmann::json::object());
}

absl::StatusOr<std::string> EncodeOrder(const SetAddOnOrder& order) {
  return json::Canonical({{"plan_code", order.plan_code}, {"quantity", order.quantity}});
}

absl::StatusOr<CancelSubscriptionOrder> DecodeCancelSubscriptionOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json order, json::Parse(canonical));
  ASSIGN_OR_RETURN(const std::string word, Member<std::string>(order, "timing"));
  for (const auto& [timing, name] : kTimings) {
    if (name == word) return CancelSubscriptionOrder{timing};
  }
  return InvalidField("timing", "is not known");
}

absl::StatusOr<SetAddOnOrder> DecodeSetAddOnOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json document, json::Parse(canonical));
  SetAddOnOrder order;
  ASSIGN_OR_RETURN(order.plan_code, Member<std::string>(document, "plan_code"));
  ASSIGN_OR_RETURN(order.quantity, Member<int64_t>(document, "quantity"));
  return order;
}

absl::StatusOr<std::string> EncodeAnswer(const SubscriptionChangeAnswer& answer) {
  nlohmann::json document = {{"operation", answer.operation},
                             {"status", answer.status},
                             {"cancel_at_period_end", answer.cancel_at_period_end},
                             {"quantity", answer.quantity}};
  if (answer.items.has_value()) {
    document["add_on"] = {{"subscription", answer.items->subscription_id},
                          {"items", answer.items->item_ids},
                          {"as_of", absl::ToUnixSeconds(answer.items->as_of)}};
  }
  return json::Canonical(document);
}

absl::StatusOr<SubscriptionChangeAnswer> DecodeSubscriptionChangeAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json document, json::Parse(canonical));
  SubscriptionChangeAnswer answer;
  ASSIGN_OR_RETURN(answer.operation, Member<std::string>(document, "operation"));
  ASSIGN_OR_RETURN(answer.status, Member<std::string>(document, "status"));
  ASSIGN_OR_RETURN(answer.cancel_at_period_end, Member<bool>(document, "cancel_at_period_end"));
  ASSIGN_OR_RETURN(answer.quantity, Member<int64_t>(document, "quantity"));
  if (const auto items = document.find("add_on"); items != document.end()) {
    ASSIGN_OR_RETURN(answer.items, DecodeItems(*items));
  }
  return answer;
}

}  // namespace billmesh::checkout
