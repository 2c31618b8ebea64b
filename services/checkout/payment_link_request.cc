#include "services/checkout/payment_link_request.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/json/escape.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/order_fields.h"
#include "services/checkout/redirect_path.h"

namespace billmesh::checkout {
namespace {

bool IsItemCode(std::string_view code) {
  return !code.empty() && code.size() <= kMaxItemCode &&
         std::all_of(code.begin(), code.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

bool IsCurrency(std::string_view currency) {
  return currency.size() == 3 &&
         std::all_of(currency.begin(), currency.end(), [](unsigned char c) { return absl::ascii_islower(c); });
}

// UTF-8 that people can read: no control characters.
bool IsName(std::string_view name) {
  size_t characters = 0;
  for (size_t at = 0; at < name.size(); ++characters) {
    const size_t length = json::Utf8SequenceLength(name.substr(at));
    if (length == 0 || absl::ascii_iscntrl(static_cast<unsigned char>(name[at]))) return false;
    at += length;
  }
  return characters >= 1 && characters <= kMaxAdHocName;
}

absl::Status CheckAdHoc(const AdHocItem& item, int64_t quantity) {
  if (!IsName(item.name)) {
    return InvalidField("ad_hoc.name", "must be 1 to 250 characters of UTF-8, without control characters");
  }
  if (item.unit_amount_minor < 1 || item.unit_amount_minor > kMaxAdHocAmount) {
    return InvalidField("ad_hoc.unit_amount_minor", "must be 1 to 99999999");
  }
  if (!IsCurrency(item.currency)) return InvalidField("ad_hoc.currency", "must be three lower-case letters");
  // The provider takes no larger payment. Neither factor is large enough for an overflow.
  if (item.unit_amount_minor * std::max<int64_t>(quantity, 1) > kMaxAdHocAmount) {
    return InvalidField("quantity", "times the amount must be at most 99999999");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOrder(const PaymentLinkOrder& order) {
  if (order.item_code.empty() == !order.ad_hoc.has_value()) {
    return InvalidField("item_code", "or ad_hoc is required, and not both");
  }
  if (order.quantity < 0 || order.quantity > kMaxLinkQuantity) return InvalidField("quantity", "must be 0 to 1000");
  if (order.ad_hoc.has_value()) {
    RETURN_IF_ERROR(CheckAdHoc(*order.ad_hoc, order.quantity));
  } else if (!IsItemCode(order.item_code)) {
    return InvalidField("item_code", "must be at most 128 printable ASCII characters");
  }
  if (order.success_path.empty()) return absl::OkStatus();
  return JoinRedirect("", order.success_path, "success_path").status();
}

absl::StatusOr<std::string> EncodeOrder(const PaymentLinkOrder& order) {
  nlohmann::json out = {{"quantity", std::max<int64_t>(order.quantity, 1)}, {"success_path", order.success_path}};
  if (order.ad_hoc.has_value()) {
    out["ad_hoc"] = {{"name", order.ad_hoc->name},
                     {"unit_amount_minor", order.ad_hoc->unit_amount_minor},
                     {"currency", order.ad_hoc->currency}};
  } else {
    out["item_code"] = order.item_code;
  }
  return json::Canonical(out);
}

absl::StatusOr<PaymentLinkOrder> DecodePaymentLinkOrder(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json document, json::Parse(canonical));
  PaymentLinkOrder order;
  order.item_code = TextOf(document, "item_code");
  order.quantity = IntegerOf(document, "quantity");
  order.success_path = TextOf(document, "success_path");
  if (const auto ad_hoc = document.find("ad_hoc"); ad_hoc != document.end()) {
    order.ad_hoc =
        AdHocItem{TextOf(*ad_hoc, "name"), IntegerOf(*ad_hoc, "unit_amount_minor"), TextOf(*ad_hoc, "currency")};
  }
  return order;
}

absl::StatusOr<std::string> EncodeAnswer(const PaymentLinkAnswer& answer) {
  return json::Canonical({{"operation", answer.operation}, {"url", answer.url}});
}

absl::StatusOr<PaymentLinkAnswer> DecodePaymentLinkAnswer(std::string_view canonical) {
  ASSIGN_OR_RETURN(const nlohmann::json answer, json::Parse(canonical));
  return PaymentLinkAnswer{TextOf(answer, "operation"), TextOf(answer, "url")};
}

}  // namespace billmesh::checkout
