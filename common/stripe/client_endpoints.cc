#include "common/stripe/client_endpoints.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/provider/object_format.h"
#include "common/provider/price_format.h"
#include "common/status/status.h"

namespace billmesh::stripe {
namespace {

using Entry = std::pair<std::string_view, std::string_view>;

constexpr size_t kMaxIdLength = 255;
constexpr std::string_view kPlaceholder = "{id}";

constexpr std::pair<std::string_view, WriteEndpoint> kWrites[] = {
    {provider::kCreateCustomer, {"POST", "/v1/customers"}},
    {provider::kCreateCheckoutSession, {"POST", "/v1/checkout/sessions"}},
    {provider::kExpireCheckoutSession, {"POST", kExpireSessionPath}},
    {provider::kCreatePortalSession, {"POST", "/v1/billing_portal/sessions"}},
    {provider::kCreatePaymentLink, {"POST", "/v1/payment_links"}},
    {provider::kCreatePrice, {"POST", "/v1/prices"}},
    {provider::kUpdateSubscription, {"POST", "/v1/subscriptions/{id}"}},
    {provider::kCancelSubscription, {"DELETE", "/v1/subscriptions/{id}"}},
};

constexpr Entry kLists[] = {
    {provider::kCheckoutSessionKind, "/v1/checkout/sessions"},
    {provider::kCustomerKind, "/v1/customers"},
    {"event", "/v1/events"},
    {provider::kInvoiceKind, "/v1/invoices"},
    {provider::kPriceKind, "/v1/prices"},
    {provider::kPaymentLinkKind, "/v1/payment_links"},
    {provider::kPaymentMethodKind, "/v1/payment_methods"},
    {provider::kSubscriptionKind, "/v1/subscriptions"},
    {kSubscriptionItemKind, "/v1/subscription_items"},
};

constexpr Entry kRetrieves[] = {
    {provider::kCheckoutSessionKind, "/v1/checkout/sessions/{id}"},
    {provider::kCustomerKind, "/v1/customers/{id}"},
    {"event", "/v1/events/{id}"},
    {provider::kChargeKind, "/v1/charges/{id}"},
    {provider::kCreditNoteKind, "/v1/credit_notes/{id}"},
    {provider::kDisputeKind, "/v1/disputes/{id}"},
    {provider::kInvoiceKind, "/v1/invoices/{id}"},
    {provider::kInvoicePaymentKind, "/v1/invoice_payments/{id}"},
    {provider::kPaymentKind, "/v1/payment_intents/{id}"},
    {provider::kPaymentLinkKind, "/v1/payment_links/{id}"},
    {provider::kPaymentMethodKind, "/v1/payment_methods/{id}"},
    {provider::kPriceKind, "/v1/prices/{id}"},
    {provider::kRefundKind, "/v1/refunds/{id}"},
    {provider::kSubscriptionKind, "/v1/subscriptions/{id}"},
};

constexpr Entry kFilters[] = {
    {"active", "active"},
    {"created_gte", "created[gte]"},
    {"created_lte", "created[lte]"},
    {"customer", "customer"},
    {"email", "email"},
    {"status", "status"},
    {"subscription", "subscription"},
    {provider::kLookupKeyFilter, "lookup_keys[0]"},
};

template <size_t kSize>
std::string_view Find(const Entry (&table)[kSize], std::string_view key) {
  for (const auto& [name, value] : table) {
    if (name == key) return value;
  }
  return "";
}

bool IsIdCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; }

}  // namespace

bool WriteEndpoint::TakesObject() const { return path.find(kPlaceholder) != std::string_view::npos; }

WriteEndpoint WriteEndpointOf(std::string_view purpose) {
  for (const auto& [name, endpoint] : kWrites) {
    if (name == purpose) return endpoint;
  }
  return {};
}

std::string_view ListPath(std::string_view kind) { return Find(kLists, kind); }
std::string_view RetrievePath(std::string_view kind) { return Find(kRetrieves, kind); }
std::string_view FilterName(std::string_view filter) { return Find(kFilters, filter); }

absl::StatusOr<std::string> FillPath(std::string_view path, std::string_view id) {
  if (id.empty() || id.size() > kMaxIdLength || !std::all_of(id.begin(), id.end(), IsIdCharacter)) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "not an id of the provider", {{"field", "id"}});
  }
  const size_t at = path.find(kPlaceholder);
  if (at == std::string_view::npos) return std::string(path);
  return absl::StrCat(AbslView(path.substr(0, at)), AbslView(id), AbslView(path.substr(at + kPlaceholder.size())));
}

}  // namespace billmesh::stripe
