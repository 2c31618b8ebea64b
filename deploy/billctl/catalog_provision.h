// Makes the prices of a catalog file exist at the provider (`billctl catalog provision`): a price that names no ids is
// looked up by our lookup key (code and component), made with its product if there is none, and its ids are
// written into the text, which keeps its comments and order. Running it again finds what is there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/payment_provider.h"
#include "common/provider/price_format.h"
#include "common/time/clock.h"

namespace billmesh::billctl {

// The component of a one-off item's price.
inline constexpr char kItemComponent[] = "item";

struct ProvisionedPrice {
  std::string code;  // the plan's or the item's
  std::string component;
  std::string product_id;
  std::string price_id;
  bool created = false;  // false: found
};

struct Provisioned {
  std::string yaml;  // the file, every price with its ids
  std::vector<ProvisionedPrice> prices;
};

struct ProvisionDeps {
  provider::PaymentProvider& provider;
  const provider::PriceFormat& format;
  Clock& clock;
  absl::Duration timeout;  // of each call
};

// CATALOG_INVALID (line, where): the file is invalid; the provider has another price under the lookup key; a metered
// price names no ids (it needs a meter, which only a person can choose). PROVIDER_UNAVAILABLE: the provider refused or
// didn't answer; what was made stays, and the next run finds it. `currency` as in catalog::FileOptions.
absl::StatusOr<Provisioned> Provision(std::string_view yaml, const std::string& currency, const ProvisionDeps& deps);

// "pro-monthly-v1.base", "credits-1000-v1.item".
std::string LookupKey(std::string_view code, std::string_view component);

}  // namespace billmesh::billctl
