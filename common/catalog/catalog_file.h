// The catalog file (CAT-4): plans, one-off items, prices and entitlements as an operator declares them in YAML, read
// strictly. Every fault is CATALOG_INVALID with the metadata `line` (from 1) and `where` (the member's path): an
// unknown member, a duplicate code, two sellable base prices, a foreign currency, an entitlement that its schema
// refuses. Pure; thread safe.
//
//   schema: billmesh.catalog.v1
//   plans:
//     - code: pro-monthly-v1            # a-z 0-9 . _ -, at most 64; what clients name
//       family: pro                     # (family, version) is unique
//       version: 1
//       name: Pro                       # may change later; so may `active` and `default`
//       kind: base                      # base | add_on; base if left out
//       applies_to: any                 # any | workspace | user | organization | external; any if left out
//       pricing_model: per_seat         # flat | per_seat | usage | hybrid
//       trial_days: 14                  # 0 to 730; 0 if left out
//       automatic_tax: false            # false if left out
//       allow_promotion_codes: false    # false if left out
//       seats: {min: 1, max: 50}        # per_seat and hybrid only; 1 and 1 if left out
//       default: false                  # the plan of whoever has no paid one: at most one, active, without prices
//       active: true                    # false: no longer sold; who has it keeps it
//       prices:
//         - component: base             # base | seat | metered | add_on
//           usage_type: licensed        # licensed | metered; follows from the component if left out
//           interval: month             # day | week | month | year
//           interval_count: 1           # 1 if left out
//           currency: usd
//           unit_amount_minor: 2900
//           provider_product_id: prod_… # both, or neither: `billctl catalog provision` fills them in
//           provider_price_id: price_…
//       entitlements:
//         projects: {schema: entitlement.quota.v1, limit: 100, interval: lifetime, enforcement: hard}
//   items:                              # what is bought once; may be left out
//     - code: credits-1000-v1
//       name: 1,000 credits             # may change later; so may `active`
//       applies_to: any                 # as a plan's
//       active: true
//       currency: usd
//       unit_amount_minor: 1500
//       provider_product_id: prod_…     # as a price's
//       provider_price_id: price_…      # of a one-time price
//       grants:                         # what its payment grants; duration_seconds left out: for good
//         credits: {schema: entitlement.quota.v1, limit: 1000, interval: month, enforcement: hard,
//                   duration_seconds: 2592000}
//
// A plan or an item that is stored and not in the file stays as it is: list it with `active: false` to stop selling it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/catalog/item.h"
#include "common/catalog/plan.h"

namespace billmesh::catalog {

inline constexpr char kFileSchema[] = "billmesh.catalog.v1";
inline constexpr size_t kMaxFileBytes = 1 << 20;
inline constexpr size_t kMaxPlans = 500;
inline constexpr size_t kMaxItems = 500;
inline constexpr size_t kMaxPricesPerPlan = 16;
inline constexpr size_t kMaxEntitlementsPerPlan = 256;
inline constexpr int64_t kMaxSeats = 1'000'000;
inline constexpr int64_t kMaxUnitAmountMinor = 999'999'999'999;

// Where a price stands in the text, so that its ids can be written into it.
struct FilePrice {
  int line = 0;
  size_t offset = 0;  // bytes from the start, of the mapping's first member or of its '{'
  int column = 0;     // of that place, from 0
  bool flow = false;  // written as {…}
};

struct FilePlan {
  // `id` and the prices' ids are empty. content_sha256 is set.
  Plan plan;
  int line = 0;
  std::vector<FilePrice> prices;  // as plan.prices
};

struct FileItem {
  // `id` is empty. content_sha256 is set.
  OneOffItem item;
  FilePrice price;  // the item's own mapping
};

struct File {
  // Each in the file's order.
  std::vector<FilePlan> plans;
  std::vector<FileItem> items;
};

struct FileOptions {
  // Prices are of this provider.
  std::string provider = "stripe";
  // The only currency allowed (CAT-3), lower case; empty: any, but one for the whole file.
  std::string currency;
  // Whether every price must name its ids at the provider. When not, a price has both or neither.
  bool require_provider_ids = true;
};

absl::StatusOr<File> ParseFile(std::string_view yaml, const FileOptions& options);

// Hex SHA-256 over the canonical form of everything commercial in a plan: what a published version never changes
// (CAT-1). Not in it: name, active, default, and our own ids. The order of prices doesn't matter.
std::string ContentSha256(const Plan& plan);
// The same of an item. Not in it: name, active, and our own id.
std::string ContentSha256(const OneOffItem& item);

// What differs commercially, in words: "prices[base].unit_amount_minor: 1900 → 2900". Empty if nothing does.
std::string DescribeContentChange(const Plan& stored, const Plan& declared);
std::string DescribeContentChange(const OneOffItem& stored, const OneOffItem& declared);

// The catalog as such a file, with every plan and item, those that aren't sold any more included. Reading it gives the
// same catalog, as long as what is stored is valid. Equal catalogs give equal bytes.
std::string WriteFile(const Catalog& catalog);

}  // namespace billmesh::catalog
