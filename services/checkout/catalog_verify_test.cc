#include "services/checkout/catalog_verify.h"

#include <map>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

using provider::CallResult;
using provider::Outcome;
using provider::PriceSnapshot;

catalog::File Parse(const std::string& active = "true") {
  auto file = catalog::ParseFile(
      "schema: billmesh.catalog.v1\n"
      "plans:\n"
      "  - {code: pro-v1, family: pro, version: 1, name: Pro, pricing_model: per_seat, active: " +
          active +
          ", prices: [\n"
          "      {component: base, interval: month, currency: usd, unit_amount_minor: 2900, provider_product_id: "
          "prod_1, provider_price_id: price_1},\n"
          "      {component: seat, interval: month, currency: usd, unit_amount_minor: 500, provider_product_id: "
          "prod_1, provider_price_id: price_2}]}\n",
      {.currency = "usd"});
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

PriceSnapshot Good() {
  return {.id = "price_1",
          .product_id = "prod_1",
          .active = true,
          .recurring = true,
          .currency = "usd",
          .unit_amount_minor = 2900,
          .usage_type = "licensed",
          .interval = "month",
          .interval_count = 1};
}

TEST(CheckPriceTest, EqualPricesPass) { EXPECT_TRUE(CheckPrice(Parse().plans[0], 0, Good()).ok()); }

struct Difference {
  std::string name;
  void (*edit)(PriceSnapshot&);
};

class CheckPriceDifferenceTest : public testing::TestWithParam<Difference> {};

TEST_P(CheckPriceDifferenceTest, IsRefusedWithItsLine) {
  PriceSnapshot snapshot = Good();
  GetParam().edit(snapshot);
  const absl::Status status = CheckPrice(Parse().plans[0], 0, snapshot);
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(status)["line"], "4");
  EXPECT_EQ(MetadataOf(status)["where"], "plans[pro-v1].prices[0]");
}

INSTANTIATE_TEST_SUITE_P(
    Table, CheckPriceDifferenceTest,
    testing::Values(Difference{"OtherId", [](PriceSnapshot& s) { s.id = "price_9"; }},
                    Difference{"Archived", [](PriceSnapshot& s) { s.active = false; }},
                    Difference{"OneTime", [](PriceSnapshot& s) { s.recurring = false; }},
                    Difference{"OtherProduct", [](PriceSnapshot& s) { s.product_id = "prod_9"; }},
                    Difference{"OtherCurrency", [](PriceSnapshot& s) { s.currency = "eur"; }},
                    Difference{"OtherAmount", [](PriceSnapshot& s) { s.unit_amount_minor = 2901; }},
                    Difference{"NoAmount", [](PriceSnapshot& s) { s.unit_amount_minor.reset(); }},
                    Difference{"Metered", [](PriceSnapshot& s) { s.usage_type = "metered"; }},
                    Difference{"OtherInterval", [](PriceSnapshot& s) { s.interval = "year"; }},
                    Difference{"OtherIntervalCount", [](PriceSnapshot& s) { s.interval_count = 2; }}),
    [](const auto& test) { return test.param.name; });

TEST(CheckPriceTest, MeteredPricesAreComparedLikewise) {
  const auto file = catalog::ParseFile(
      "schema: billmesh.catalog.v1\n"
      "plans:\n"
      "  - {code: use-v1, family: use, version: 1, name: Use, pricing_model: usage, prices: [\n"
      "      {component: metered, interval: month, currency: usd, unit_amount_minor: 2900, provider_product_id: "
      "prod_1,\n"
      "       provider_price_id: price_1}]}\n",
      {.currency = "usd"});
  ASSERT_TRUE(file.ok()) << file.status();
  PriceSnapshot metered = Good();
  metered.usage_type = "metered";
  EXPECT_TRUE(CheckPrice(file->plans[0], 0, metered).ok());
  const absl::Status licensed = CheckPrice(file->plans[0], 0, Good());
  EXPECT_EQ(ReasonOf(licensed), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(licensed)["line"], "4");
}

catalog::File ParseItem(const std::string& active = "true") {
  auto file = catalog::ParseFile(
      "schema: billmesh.catalog.v1\n"
      "plans: [{code: free-v1, family: free, version: 1, name: Free, pricing_model: flat}]\n"
      "items:\n"
      "  - {code: credits-v1, name: Credits, currency: usd, unit_amount_minor: 2900, provider_product_id: prod_1,\n"
      "     provider_price_id: price_1, active: " +
          active + "}\n",
      {.currency = "usd"});
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

PriceSnapshot OneTime() {
  PriceSnapshot snapshot = Good();
  snapshot.recurring = false;
  snapshot.usage_type.clear();
  snapshot.interval.clear();
  snapshot.interval_count = 0;
  return snapshot;
}

TEST(CheckItemPriceTest, OneTimePricesPassAndEachDifferenceIsRefusedWithItsLine) {
  const catalog::File file = ParseItem();
  EXPECT_TRUE(CheckItemPrice(file.items[0], OneTime()).ok());
  const Difference differences[] = {{"OtherId", [](PriceSnapshot& s) { s.id = "price_9"; }},
                                    {"Archived", [](PriceSnapshot& s) { s.active = false; }},
                                    {"Recurring", [](PriceSnapshot& s) { s = Good(); }},
                                    {"OtherProduct", [](PriceSnapshot& s) { s.product_id = "prod_9"; }},
                                    {"OtherCurrency", [](PriceSnapshot& s) { s.currency = "eur"; }},
                                    {"OtherAmount", [](PriceSnapshot& s) { s.unit_amount_minor = 2901; }},
                                    {"NoAmount", [](PriceSnapshot& s) { s.unit_amount_minor.reset(); }}};
  for (const Difference& difference : differences) {
    PriceSnapshot snapshot = OneTime();
    difference.edit(snapshot);
    const absl::Status status = CheckItemPrice(file.items[0], snapshot);
    EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_CATALOG_INVALID) << difference.name;
    EXPECT_EQ(MetadataOf(status)["line"], "4") << difference.name;
    EXPECT_EQ(MetadataOf(status)["where"], "items[credits-v1]") << difference.name;
  }
}

// Answers from a table; counts what it was asked.
class FakeProvider : public provider::PaymentProvider {
 public:
  explicit FakeProvider(FakeClock& clock) : clock_(clock) {}
  std::map<std::string, CallResult, std::less<>> answers;
  std::vector<std::string> asked;
  absl::Duration takes;

  CallResult Retrieve(std::string_view kind, std::string_view id, const provider::CallOptions& options) override {
    EXPECT_EQ(kind, "price");
    EXPECT_GT(options.timeout, absl::ZeroDuration());
    asked.emplace_back(id);
    clock_.Advance(takes);
    return answers.find(id)->second;
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::InternalError("unused"); }
  CallResult Send(const provider::FrozenCall&, const provider::CallOptions&) override { return {}; }
  CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override { return {}; }
  CallResult ExpireCheckoutSession(std::string_view, std::string_view, const provider::CallOptions&) override {
    return {};
  }

 private:
  FakeClock& clock_;
};

// Takes the "object" as the key of a table of snapshots.
class FakeFormat : public provider::PriceFormat {
 public:
  std::map<std::string, PriceSnapshot, std::less<>> snapshots;
  std::string provider() const override { return "stripe"; }
  absl::StatusOr<provider::EncodedParams> EncodePrice(const provider::PriceSpec&) const override {
    return absl::InternalError("unused");
  }
  absl::StatusOr<PriceSnapshot> ReadPrice(std::string_view object_json) const override {
    const auto it = snapshots.find(object_json);
    if (it == snapshots.end()) return absl::InvalidArgumentError("unreadable");
    return it->second;
  }
  absl::StatusOr<std::vector<PriceSnapshot>> ReadPriceList(std::string_view) const override {
    return absl::InternalError("unused");
  }
};

class VerifyPricesTest : public testing::Test {
 protected:
  VerifyPricesTest() {
    PriceSnapshot seat = Good();
    seat.id = "price_2";
    seat.unit_amount_minor = 500;
    format_.snapshots = {{"one", Good()}, {"two", seat}};
    provider_.answers["price_1"] = {.outcome = Outcome::kSuccess, .http_status = 200, .object_json = "one"};
    provider_.answers["price_2"] = {.outcome = Outcome::kSuccess, .http_status = 200, .object_json = "two"};
  }
  absl::Status Verify(const catalog::File& file, absl::Duration limit = absl::Minutes(1)) {
    return VerifyPrices(file, provider_, format_, clock_, clock_.Monotonic() + limit);
  }
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  FakeProvider provider_{clock_};
  FakeFormat format_;
};

TEST_F(VerifyPricesTest, FetchesEveryPriceOfActivePlansOnly) {
  EXPECT_TRUE(Verify(Parse()).ok());
  EXPECT_EQ(provider_.asked, (std::vector<std::string>{"price_1", "price_2"}));
  provider_.asked.clear();
  EXPECT_TRUE(Verify(Parse("false")).ok());
  EXPECT_TRUE(provider_.asked.empty());
}

TEST_F(VerifyPricesTest, FetchesThePricesOfActiveItems) {
  format_.snapshots["one"] = OneTime();
  EXPECT_TRUE(Verify(ParseItem()).ok());
  EXPECT_EQ(provider_.asked, std::vector<std::string>{"price_1"});
  provider_.asked.clear();
  EXPECT_TRUE(Verify(ParseItem("false")).ok());
  EXPECT_TRUE(provider_.asked.empty());
  provider_.answers["price_1"] = {.outcome = Outcome::kRejected, .http_status = 404, .not_found = true};
  const absl::Status missing = Verify(ParseItem());
  EXPECT_EQ(MetadataOf(missing)["where"], "items[credits-v1]") << missing;
}

TEST_F(VerifyPricesTest, MissingPriceNamesTheLine) {
  provider_.answers["price_2"] = {.outcome = Outcome::kRejected, .http_status = 404, .not_found = true};
  const absl::Status status = Verify(Parse());
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_CATALOG_INVALID);
  EXPECT_EQ(MetadataOf(status)["line"], "5");
}

TEST_F(VerifyPricesTest, AProviderThatDoesNotSayIsNoInvalidCatalog) {
  for (const CallResult& answer : {CallResult{.outcome = Outcome::kUnknown, .http_status = 500},
                                   CallResult{.outcome = Outcome::kRejected, .http_status = 401},
                                   CallResult{.outcome = Outcome::kSuccess, .http_status = 200, .object_json = "?"}}) {
    provider_.answers["price_1"] = answer;
    EXPECT_EQ(ReasonOf(Verify(Parse())), Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE) << answer.http_status;
  }
}

TEST_F(VerifyPricesTest, StopsAtItsDeadline) {
  provider_.takes = absl::Seconds(6);
  EXPECT_EQ(ReasonOf(Verify(Parse(), absl::Seconds(5))), Reason::FAILURE_REASON_DEADLINE_EXCEEDED);
  EXPECT_EQ(provider_.asked.size(), 1u);
}

}  // namespace
}  // namespace billmesh::checkout
