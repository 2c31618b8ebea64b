#include "services/checkout/catalog_item_diff.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using catalog::Catalog;
using catalog::File;

struct ItemText {
  std::string code = "credits-v1";
  std::string name = "Credits";
  int64_t amount = 1500;
  std::string price_id = "price_9";
  bool active = true;
};

File Parse(const std::vector<ItemText>& items) {
  std::string yaml =
      "schema: billmesh.catalog.v1\nplans:\n"
      "  - {code: pro-v1, family: pro, version: 1, name: Pro, pricing_model: flat, prices: [{component: base, "
      "interval: "
      "month, currency: usd, unit_amount_minor: 2900, provider_product_id: prod_1, provider_price_id: price_1}]}\n";
  if (!items.empty()) yaml += "items:\n";
  for (const ItemText& item : items) {
    absl::StrAppend(&yaml, "  - {code: ", item.code, ", name: ", item.name,
                    ", currency: usd, unit_amount_minor: ", item.amount,
                    ", provider_product_id: prod_9, provider_price_id: ", item.price_id,
                    ", active: ", item.active ? "true" : "false", "}\n");
  }
  auto file = catalog::ParseFile(yaml, {});
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

Catalog Stored(const std::vector<ItemText>& items) {
  std::vector<catalog::Plan> plans;
  std::vector<catalog::OneOffItem> stored;
  const File file = Parse(items);
  for (const catalog::FilePlan& plan : file.plans) plans.push_back(plan.plan);
  for (const catalog::FileItem& item : file.items) stored.push_back(item.item);
  return Catalog(7, std::move(plans), std::move(stored));
}

// "create credits-v1" for each change.
std::vector<std::string> Summary(const absl::StatusOr<std::vector<ItemChange>>& changes) {
  if (!changes.ok()) return {changes.status().ToString()};
  std::vector<std::string> out;
  for (const ItemChange& change : *changes) {
    out.push_back(absl::StrCat(AbslView(ActionName(change.action)), " ", change.item_code));
  }
  return out;
}

using Strings = std::vector<std::string>;
const ItemText kCredits{};
const ItemText kSetup{.code = "setup-v1", .name = "Setup", .amount = 9900, .price_id = "price_8"};

TEST(DiffItemsTest, NewItemsAreCreatedAndStoredOnesStay) {
  const File file = Parse({kSetup});
  const Catalog stored = Stored({kCredits});
  EXPECT_EQ(Summary(DiffItems(file, stored)), (Strings{"create setup-v1", "unchanged credits-v1"}));
}

TEST(DiffItemsTest, NameAndActiveMayChange) {
  ItemText renamed = kCredits, retired = kCredits;
  renamed.name = "Points";
  retired.active = false;
  const Catalog stored = Stored({kCredits}), inactive = Stored({retired});
  const File same = Parse({kCredits}), rename = Parse({renamed}), retire = Parse({retired});
  EXPECT_EQ(Summary(DiffItems(same, stored)), Strings{"unchanged credits-v1"});
  EXPECT_EQ(Summary(DiffItems(rename, stored)), Strings{"update credits-v1"});
  EXPECT_EQ(Summary(DiffItems(retire, stored)), Strings{"deactivate credits-v1"});
  EXPECT_EQ(Summary(DiffItems(same, inactive)), Strings{"activate credits-v1"});
}

TEST(DiffItemsTest, PublishedItemsNeverChangeCommercially) {
  ItemText dearer = kCredits;
  dearer.amount = 1600;
  const File file = Parse({kSetup, dearer});
  const Catalog stored = Stored({kCredits});
  const absl::Status refused = DiffItems(file, stored).status();
  EXPECT_EQ(ReasonOf(refused), Reason::FAILURE_REASON_ALREADY_EXISTS);
  EXPECT_EQ(MetadataOf(refused)["line"], "6");
  EXPECT_EQ(MetadataOf(refused)["where"], "items[credits-v1]");
  EXPECT_NE(std::string(refused.message()).find("unit_amount_minor: 1500 → 1600"), std::string::npos) << refused;
}

TEST(DiffItemsTest, PricesOfStoredPlansAndItemsAreTaken) {
  ItemText thief = kSetup;
  thief.price_id = "price_9";
  const Catalog stored = Stored({kCredits});
  const File of_an_item = Parse({thief});
  EXPECT_EQ(MetadataOf(DiffItems(of_an_item, stored).status())["where"], "items[setup-v1].provider_price_id");
  // A file alone can't name a plan's price for an item: the plan is stored, and the file doesn't list it.
  thief.price_id = "price_7";
  File of_a_plan = Parse({thief});
  of_a_plan.items[0].item.provider_price_id = "price_1";
  EXPECT_EQ(ReasonOf(DiffItems(of_a_plan, stored).status()), Reason::FAILURE_REASON_CATALOG_INVALID);
}

TEST(DiffItemsTest, ANewPlanMayNotTakeAnItemsPrice) {
  const Catalog stored({}, {}, {Parse({kCredits}).items[0].item});
  File file = Parse({});
  file.plans[0].plan.prices[0].provider_price_id = "price_9";
  const absl::Status refused = DiffCatalog(file, stored).status();
  EXPECT_EQ(MetadataOf(refused)["where"], "plans[pro-v1].prices[0].provider_price_id") << refused;
  EXPECT_NE(std::string(refused.message()).find("item credits-v1"), std::string::npos) << refused;
}

TEST(CatalogDigestTest, StandsForTheItemsAsWell) {
  ItemText renamed = kCredits;
  renamed.name = "Points";
  EXPECT_NE(CatalogDigest(Stored({kCredits})), CatalogDigest(Stored({})));
  EXPECT_NE(CatalogDigest(Stored({kCredits})), CatalogDigest(Stored({renamed})));
}

}  // namespace
}  // namespace billmesh::checkout
