#include "deploy/billctl/catalog_provision.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/catalog/catalog_file.h"
#include "common/status/status.h"
#include "common/stripe/client_prices.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::billctl {
namespace {

using nlohmann::json;
using provider::CallResult;
using provider::Outcome;

// A shelf of prices in the provider's own words: what is made can be looked up, and every key is remembered.
class FakeShop : public provider::PaymentProvider {
 public:
  std::vector<json> prices;
  std::vector<std::string> keys;
  CallResult create_fault, list_fault;  // answered instead while their outcome isn't kSuccess
  FakeShop() { create_fault.outcome = list_fault.outcome = Outcome::kSuccess; }

  CallResult List(std::string_view kind, const provider::ListQuery& query, const provider::CallOptions&) override {
    EXPECT_EQ(kind, "price");
    if (list_fault.outcome != Outcome::kSuccess) return list_fault;
    json found = json::array();
    for (const json& price : prices) {
      if (price["lookup_key"] == query.filters.at("lookup_key")) found.push_back(price);
    }
    return Success({{"object", "list"}, {"data", found}});
  }
  CallResult Send(const provider::FrozenCall& create, const provider::CallOptions&) override {
    EXPECT_EQ(create.purpose, "create_price");
    keys.push_back(create.idempotency_key);
    if (create_fault.outcome != Outcome::kSuccess) return create_fault;
    const json params = json::parse(create.params_json);
    json price = {{"id", absl::StrCat("price_", prices.size() + 1)},
                  {"active", true},
                  {"currency", params["currency"]},
                  {"lookup_key", params["lookup_key"]},
                  {"unit_amount", params["unit_amount"]},
                  {"recurring", params.value("recurring", json())}};
    price["product"] = params.contains("product") ? params["product"] : json(absl::StrCat("prod_", ++products));
    prices.push_back(price);
    return Success(price);
  }
  CallResult Retrieve(std::string_view, std::string_view, const provider::CallOptions&) override { return {}; }
  CallResult ExpireCheckoutSession(std::string_view, std::string_view, const provider::CallOptions&) override {
    return {};
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("unused"); }
  int products = 0;

 private:
  static CallResult Success(const json& object) {
    return {.outcome = Outcome::kSuccess, .http_status = 200, .object_json = object.dump()};
  }
};

// Comments, an umlaut, both styles, CRLF in one line: what people write.
constexpr char kYaml[] =
    "# Preisliste für alle — don't lose this line\r\n"
    "schema: billmesh.catalog.v1\n"
    "plans:\n"
    "  - code: free-v1\n"
    "    family: free\n"
    "    version: 1\n"
    "    name: Free\n"
    "    pricing_model: flat\n"
    "  - code: pro-v1   # the big one\n"
    "    family: pro\n"
    "    version: 1\n"
    "    name: Prö\n"
    "    pricing_model: hybrid\n"
    "    prices:\n"
    "      # monthly\n"
    "      - component: base  # per month\n"
    "        interval: month\n"
    "        currency: eur\n"
    "        unit_amount_minor: 2900\n"
    "      - {component: seat, interval: month, currency: eur, unit_amount_minor: 500}\n"
    "      - component: metered\n"
    "        interval: month\n"
    "        currency: eur\n"
    "        unit_amount_minor: 1\n"
    "        provider_product_id: prod_own\n"
    "        provider_price_id: price_own\n"
    "  - code: team-v1\n"
    "    family: team\n"
    "    version: 1\n"
    "    name: Team\n"
    "    pricing_model: flat\n"
    "    prices: [{component: base, interval: year, currency: eur, unit_amount_minor: 9900}]\n";

class ProvisionTest : public testing::Test {
 protected:
  absl::StatusOr<Provisioned> Run(const std::string& yaml = kYaml) {
    return Provision(yaml, "eur", {.provider = shop_, .format = format_, .clock = clock_, .timeout = absl::Seconds(5)});
  }
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeShop shop_;
  stripe::StripePriceFormat format_;
};

TEST_F(ProvisionTest, WritesTheIdsAndLeavesTheRestAlone) {
  const auto provisioned = Run();
  ASSERT_TRUE(provisioned.ok()) << provisioned.status();
  ASSERT_EQ(provisioned->prices.size(), 3u);
  for (const ProvisionedPrice& price : provisioned->prices) EXPECT_TRUE(price.created);
  const auto file = catalog::ParseFile(provisioned->yaml, {.currency = "eur"});
  ASSERT_TRUE(file.ok()) << file.status() << "\n" << provisioned->yaml;
  const auto& pro = file->plans[1].plan.prices;
  EXPECT_EQ(pro[0].provider_price_id, "price_1");
  EXPECT_EQ(pro[1].provider_price_id, "price_2");
  EXPECT_EQ(pro[2].provider_price_id, "price_own");
  EXPECT_EQ(file->plans[2].plan.prices[0].provider_price_id, "price_3");
  // One product a plan.
  EXPECT_EQ(pro[0].provider_product_id, pro[1].provider_product_id);
  EXPECT_NE(pro[0].provider_product_id, file->plans[2].plan.prices[0].provider_product_id);
  for (const char* kept :
       {"# Preisliste für alle — don't lose this line\r\n", "# the big one", "# monthly", "# per month"}) {
    EXPECT_NE(provisioned->yaml.find(kept), std::string::npos) << kept;
  }
}

TEST_F(ProvisionTest, ASecondRunFindsWhatTheFirstMade) {
  const auto first = Run();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Run();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->yaml, first->yaml);
  for (const ProvisionedPrice& price : second->prices) EXPECT_FALSE(price.created);
  EXPECT_EQ(shop_.prices.size(), 3u);
  const auto of_the_result = Run(first->yaml);
  ASSERT_TRUE(of_the_result.ok());
  EXPECT_TRUE(of_the_result->prices.empty());
  EXPECT_EQ(of_the_result->yaml, first->yaml);
}

TEST_F(ProvisionTest, KeysAreDeterministicWithinAnHourAndDifferByPrice) {
  ASSERT_TRUE(Run().ok());
  shop_.prices.clear();
  shop_.products = 0;
  ASSERT_TRUE(Run().ok());
  ASSERT_EQ(shop_.keys.size(), 6u);
  EXPECT_EQ(shop_.keys[0], shop_.keys[3]);
  EXPECT_NE(shop_.keys[0], shop_.keys[1]);
  shop_.prices.clear();
  shop_.products = 0;
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(Run().ok());
  EXPECT_NE(shop_.keys[6], shop_.keys[0]);
}

TEST_F(ProvisionTest, AnotherPriceUnderOurLookupKeyIsRefusedWithItsLine) {
  ASSERT_TRUE(Run().ok());
  const std::vector<json> made = shop_.prices;
  const std::vector<std::pair<std::string, json>> edits = {
      {"active", false},
      {"currency", "usd"},
      {"unit_amount", 1},
      {"recurring", nullptr},
      {"recurring", {{"interval", "day"}, {"interval_count", 1}, {"usage_type", "licensed"}}}};
  for (const auto& [member, value] : edits) {
    shop_.prices = made;
    shop_.prices[0][member] = value;
    const auto again = Run();
    ASSERT_FALSE(again.ok()) << member;
    EXPECT_EQ(ReasonOf(again.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
    EXPECT_EQ(MetadataOf(again.status())["line"], "16") << member;
  }
}

TEST_F(ProvisionTest, MeteredPricesNeedAPerson) {
  std::string yaml = kYaml;
  const std::string ids = "        provider_product_id: prod_own\n        provider_price_id: price_own\n";
  yaml.erase(yaml.find(ids), ids.size());
  const auto provisioned = Run(yaml);
  EXPECT_EQ(ReasonOf(provisioned.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_NE(std::string(provisioned.status().message()).find("meter"), std::string::npos);
}

// Items before the plans, in both styles: the ids go where each belongs.
constexpr char kItems[] =
    "schema: billmesh.catalog.v1\n"
    "items:\n"
    "  - code: credits-v1  # sold since May\n"
    "    name: Credits\n"
    "    currency: eur\n"
    "    unit_amount_minor: 1500\n"
    "  - {code: setup-v1, name: Setup, currency: eur, unit_amount_minor: 9900}\n"
    "plans:\n"
    "  - {code: pro-v1, family: pro, version: 1, name: Pro, pricing_model: flat, prices: [{component: base, interval: "
    "month, currency: eur, unit_amount_minor: 2900}]}\n";

TEST_F(ProvisionTest, ItemsGetOneTimePricesOfTheirOwn) {
  const auto provisioned = Run(kItems);
  ASSERT_TRUE(provisioned.ok()) << provisioned.status();
  ASSERT_EQ(shop_.prices.size(), 3u);
  EXPECT_FALSE(shop_.prices[0]["recurring"].is_null());
  EXPECT_TRUE(shop_.prices[1]["recurring"].is_null());
  EXPECT_EQ(shop_.prices[1]["lookup_key"], "credits-v1.item");
  const auto file = catalog::ParseFile(provisioned->yaml, {.currency = "eur"});
  ASSERT_TRUE(file.ok()) << file.status() << "\n" << provisioned->yaml;
  EXPECT_EQ(file->plans[0].plan.prices[0].provider_price_id, "price_1");
  EXPECT_EQ(file->items[0].item.provider_price_id, "price_2");
  EXPECT_EQ(file->items[1].item.provider_price_id, "price_3");
  EXPECT_NE(provisioned->yaml.find("# sold since May"), std::string::npos);
  const auto again = Run(kItems);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->yaml, provisioned->yaml);
  EXPECT_EQ(shop_.prices.size(), 3u);
}

TEST_F(ProvisionTest, ARecurringPriceUnderAnItemsLookupKeyIsRefusedWithItsLine) {
  ASSERT_TRUE(Run(kItems).ok());
  shop_.prices[1]["recurring"] = {{"interval", "month"}, {"interval_count", 1}, {"usage_type", "licensed"}};
  const absl::Status refused = Run(kItems).status();
  EXPECT_EQ(ReasonOf(refused), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(refused)["line"], "3") << refused;
  EXPECT_EQ(MetadataOf(refused)["where"], "items[credits-v1]");
}

TEST_F(ProvisionTest, AProviderThatRefusesOrIsSilentIsNamed) {
  shop_.create_fault = {.outcome = Outcome::kUnknown, .http_status = 500};
  EXPECT_EQ(ReasonOf(Run().status()), Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE);
  shop_.create_fault.outcome = Outcome::kSuccess;
  shop_.list_fault = {.outcome = Outcome::kRejected, .http_status = 401};
  EXPECT_EQ(ReasonOf(Run().status()), Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE);
}

TEST_F(ProvisionTest, FormsOfYamlThatCannotTakeIdsAreRefusedNotGarbled) {
  const std::string aliased =
      "schema: billmesh.catalog.v1\n"
      "plans:\n"
      "  - {code: a-v1, family: a, version: 1, name: A, pricing_model: flat, prices: &p [{component: base, interval: "
      "month, currency: eur, unit_amount_minor: 1}]}\n"
      "  - {code: b-v1, family: b, version: 1, name: B, pricing_model: flat, prices: *p}\n";
  EXPECT_FALSE(Run(aliased).ok());
}

}  // namespace
}  // namespace billmesh::billctl
