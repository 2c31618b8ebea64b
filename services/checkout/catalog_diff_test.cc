#include "services/checkout/catalog_diff.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using catalog::Catalog;
using catalog::File;
using catalog::Plan;

struct PlanText {
  std::string code = "pro-v1";
  std::string family = "pro";
  int version = 1;
  std::string name = "Pro";
  int64_t amount = 2900;  // below 0: no price
  std::string price_id = "price_1";
  bool is_default = false;
  bool active = true;
};

std::string Yaml(const std::vector<PlanText>& plans) {
  std::string out = "schema: billmesh.catalog.v1\nplans:\n";
  for (const PlanText& plan : plans) {
    absl::StrAppend(&out, "  - {code: ", plan.code, ", family: ", plan.family, ", version: ", plan.version,
                    ", name: ", plan.name, ", pricing_model: flat, default: ", plan.is_default ? "true" : "false",
                    ", active: ", plan.active ? "true" : "false");
    if (plan.amount >= 0) {
      absl::StrAppend(&out,
                      ", prices: [{component: base, interval: month, currency: usd, unit_amount_minor: ", plan.amount,
                      ", provider_product_id: prod_1, provider_price_id: ", plan.price_id, "}]");
    }
    absl::StrAppend(&out, "}\n");
  }
  return out;
}

File Parse(const std::vector<PlanText>& plans) {
  auto file = catalog::ParseFile(Yaml(plans), {});
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

Catalog Stored(const std::vector<PlanText>& plans) {
  std::vector<Plan> stored;
  if (plans.empty()) return Catalog(1, {});
  for (catalog::FilePlan& plan : Parse(plans).plans) {
    plan.plan.id = "id-" + plan.plan.code;
    stored.push_back(std::move(plan.plan));
  }
  return Catalog(7, std::move(stored));
}

// "create pro-v1" for each change but the unchanged ones.
std::vector<std::string> Summary(const std::vector<CatalogChange>& changes) {
  std::vector<std::string> out;
  for (const CatalogChange& change : changes) {
    if (change.action != CatalogAction::kUnchanged) {
      out.push_back(absl::StrCat(AbslView(ActionName(change.action)), " ", change.plan_code));
    }
  }
  return out;
}

using Strings = std::vector<std::string>;
const PlanText kFree{.code = "free-v1", .family = "free", .name = "Free", .amount = -1, .is_default = true};
const PlanText kPro{};

TEST(DiffCatalogTest, NewPlansAreCreated) {
  const File file = Parse({kFree, kPro});
  const Catalog stored = Stored({});
  const auto changes = DiffCatalog(file, stored);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(Summary(*changes), (Strings{"create free-v1", "create pro-v1"}));
}

TEST(DiffCatalogTest, TheSameFileChangesNothing) {
  const File file = Parse({kFree, kPro});
  const Catalog stored = Stored({kPro, kFree});
  const auto changes = DiffCatalog(file, stored);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(Summary(*changes), Strings{});
}

TEST(DiffCatalogTest, NameActiveAndDefaultMayChange) {
  PlanText renamed = kPro;
  renamed.name = "Professional";
  PlanText retired = kPro;
  retired.active = false;
  const Catalog stored = Stored({kPro}), inactive = Stored({retired});
  const File rename = Parse({renamed}), retire = Parse({retired}), revive = Parse({kPro});
  EXPECT_EQ(Summary(*DiffCatalog(rename, stored)), Strings{"update pro-v1"});
  EXPECT_EQ(Summary(*DiffCatalog(retire, stored)), Strings{"deactivate pro-v1"});
  EXPECT_EQ(Summary(*DiffCatalog(revive, inactive)), Strings{"activate pro-v1"});
}

TEST(DiffCatalogTest, PublishedVersionsNeverChangeCommercially) {
  PlanText dearer = kPro;
  dearer.amount = 3900;
  const File file = Parse({kFree, dearer});
  const Catalog stored = Stored({kFree, kPro});
  const auto changes = DiffCatalog(file, stored);
  ASSERT_FALSE(changes.ok());
  EXPECT_EQ(ReasonOf(changes.status()), Reason::FAILURE_REASON_ALREADY_EXISTS);
  EXPECT_EQ(MetadataOf(changes.status())["line"], "4");
  EXPECT_EQ(MetadataOf(changes.status())["where"], "plans[pro-v1]");
  const std::string message(changes.status().message());
  EXPECT_NE(message.find("prices.base.unit_amount_minor: 2900 → 3900"), std::string::npos) << message;
}

TEST(DiffCatalogTest, AnotherDigestIsAChangeEvenWhereMembersLookEqual) {
  const File file = Parse({kPro});
  std::vector<Plan> plans = {file.plans[0].plan};
  plans[0].content_sha256 = "0000";
  const Catalog stored(1, std::move(plans));
  EXPECT_EQ(ReasonOf(DiffCatalog(file, stored).status()), Reason::FAILURE_REASON_ALREADY_EXISTS);
}

TEST(DiffCatalogTest, PlansThatAreNotListedStay) {
  const File file = Parse({kFree});
  const Catalog stored = Stored({kFree, kPro});
  const auto changes = DiffCatalog(file, stored);
  ASSERT_TRUE(changes.ok());
  EXPECT_EQ(Summary(*changes), Strings{});
  ASSERT_EQ(changes->size(), 2u);
  EXPECT_EQ((*changes)[1].plan_code, "pro-v1");
  EXPECT_NE((*changes)[1].detail.find("not in the file"), std::string::npos);
}

TEST(DiffCatalogTest, ClashesWithStoredPlansNameTheLine) {
  PlanText other_code = kPro;
  other_code.code = "pro-again";
  other_code.price_id = "price_2";
  PlanText same_price{.code = "team-v1", .family = "team", .name = "Team"};
  PlanText new_default = kFree;
  new_default.code = "starter-v1";
  new_default.family = "starter";
  const Catalog stored = Stored({kFree, kPro});
  struct Case {
    PlanText plan;
    std::string where;
  };
  const Case cases[] = {{other_code, "plans[pro-again].version"},
                        {same_price, "plans[team-v1].prices[0].provider_price_id"},
                        {new_default, "plans[starter-v1].default"}};
  for (const Case& c : cases) {
    const File file = Parse({c.plan});
    const auto changes = DiffCatalog(file, stored);
    ASSERT_FALSE(changes.ok()) << c.where;
    EXPECT_EQ(ReasonOf(changes.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
    EXPECT_EQ(MetadataOf(changes.status())["where"], c.where);
    EXPECT_EQ(MetadataOf(changes.status())["line"], "3");
  }
}

TEST(DiffCatalogTest, TheDefaultMovesWhenTheOldOneIsListedWithoutIt) {
  PlanText old_default = kFree;
  old_default.is_default = false;
  PlanText new_default = kFree;
  new_default.code = "starter-v1";
  new_default.family = "starter";
  const File file = Parse({new_default, old_default});
  const Catalog stored = Stored({kFree});
  const auto changes = DiffCatalog(file, stored);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(Summary(*changes), (Strings{"create starter-v1", "update free-v1"}));
}

TEST(CatalogDigestTest, ChangesWithEachMemberThatMayChange) {
  PlanText renamed = kPro, retired = kPro;
  renamed.name = "P";
  retired.active = false;
  const std::string digest = CatalogDigest(Stored({kPro}));
  EXPECT_EQ(digest, CatalogDigest(Stored({kPro})));
  EXPECT_NE(digest, CatalogDigest(Stored({renamed})));
  EXPECT_NE(digest, CatalogDigest(Stored({retired})));
  EXPECT_NE(digest, CatalogDigest(Stored({kPro, kFree})));
}

}  // namespace
}  // namespace billmesh::checkout
