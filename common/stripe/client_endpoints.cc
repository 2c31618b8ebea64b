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

constexpr Entry kCreates[] = {
    {provider::kCreateCustomer, "/v1/customers"},
    {provider::kCreateCheckoutSession, "/v1/checkout/sessions"},
    {provider::kCreatePrice, "/v1/prices"},
};

constexpr Entry kLists[] = {
    {provider::kCheckoutSessionKind, "/v1/checkout/sessions"},
    {provider::kCustomerKind, "/v1/customers"},
    {"event", "/v1/events"},
    {"invoice", "/v1/invoices"},
    {provider::kPriceKind, "/v1/prices"},
    {"subscription", "/v1/subscriptions"},
};

constexpr Entry kRetrieves[] = {
    {provider::kCheckoutSessionKind, "/v1/checkout/sessions/{id}"},
    {provider::kCustomerKind, "/v1/customers/{id}"},
    {"event", "/v1/events/{id}"},
    {"invoice", "/v1/invoices/{id}"},
    {provider::kPriceKind, "/v1/prices/{id}"},
    {"subscription", "/v1/subscriptions/{id}"},
};

constexpr Entry kFilters[] = {
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

std::string_view CreatePath(std::string_view purpose) { return Find(kCreates, purpose); }
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
