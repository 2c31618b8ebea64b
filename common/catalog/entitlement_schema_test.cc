#include "common/catalog/entitlement_schema.h"

#include <string>
#include <vector>

#include "common/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::catalog {
namespace {

using ::testing::ElementsAre;

TEST(EntitlementSchema, EveryVersionParsesItsPayloadAndGivesItBack) {
  const struct {
    const char* version;
    const char* payload;
    const char* canonical;
    const char* type;
    bool grants;
  } cases[] = {
      {kBooleanV1, R"({"enabled": true})", R"({"enabled":true})", "boolean", true},
      {kBooleanV1, R"({"enabled": false})", R"({"enabled":false})", "boolean", false},
      {kQuotaV1, R"({"limit": 5, "interval": "month", "enforcement": "hard"})",
       R"({"enforcement":"hard","interval":"month","limit":5})", "quota", true},
      {kQuotaV1, R"({"limit": 0, "interval": "lifetime", "enforcement": "soft"})",
       R"({"enforcement":"soft","interval":"lifetime","limit":0})", "quota", false},
      {kQuotaV1, R"({"limit": 1000000000000000, "interval": "billing_period", "enforcement": "hard"})",
       R"({"enforcement":"hard","interval":"billing_period","limit":1000000000000000})", "quota", true},
      {kStringListV1, R"({"values": ["b", "a"]})", R"({"values":["a","b"]})", "string_list", true},
      {kStringListV1, R"({"values": []})", R"({"values":[]})", "string_list", false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.payload);
    const absl::StatusOr<EntitlementValue> value = ParseEntitlementJson(c.version, c.payload);
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(CanonicalPayload(*value), c.canonical);
    EXPECT_EQ(SchemaVersionOf(*value), c.version);
    EXPECT_EQ(TypeNameOf(*value), c.type);
    EXPECT_EQ(Grants(*value), c.grants);
    const absl::StatusOr<EntitlementValue> again = ParseEntitlementJson(c.version, CanonicalPayload(*value));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, *value);
  }
}

TEST(EntitlementSchema, EveryQuotaIntervalIsAccepted) {
  for (const std::string_view interval : kQuotaIntervals) {
    const std::string payload =
        R"({"limit": 1, "enforcement": "hard", "interval": ")" + std::string(interval) + R"("})";
    EXPECT_TRUE(ParseEntitlementJson(kQuotaV1, payload).ok()) << interval;
  }
}

TEST(EntitlementSchema, RefusesWhatAVersionDoesNotAllow) {
  const std::string long_value(kMaxListValueBytes + 1, 'x');
  std::string many = R"({"values": [)";
  for (size_t i = 0; i <= kMaxListValues; ++i) many += (i == 0 ? "\"v" : ",\"v") + std::to_string(i) + "\"";
  many += "]}";
  const struct {
    std::string version;
    std::string payload;
    std::string where;
  } cases[] = {
      {"entitlement.boolean.v2", R"({"enabled": true})", "schema_version"},
      {"", R"({"enabled": true})", "schema_version"},
      {kBooleanV1, "", "payload"},
      {kBooleanV1, "{", "payload"},
      {kBooleanV1, "[]", "payload"},
      {kBooleanV1, "null", "payload"},
      {kBooleanV1, "{}", "enabled"},
      {kBooleanV1, R"({"enabled": 1})", "enabled"},
      {kBooleanV1, R"({"enabled": "true"})", "enabled"},
      {kBooleanV1, R"({"enabled": null})", "enabled"},
      {kBooleanV1, R"({"enabled": true, "limit": 1})", "limit"},
      {kBooleanV1, R"({"Enabled": true})", "enabled"},
      {kQuotaV1, R"({"interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": 1, "enforcement": "hard"})", "interval"},
      {kQuotaV1, R"({"limit": 1, "interval": "month"})", "enforcement"},
      {kQuotaV1, R"({"limit": -1, "interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": 1.5, "interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": "1", "interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": 1000000000000001, "interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": 18446744073709551615, "interval": "month", "enforcement": "hard"})", "limit"},
      {kQuotaV1, R"({"limit": 1, "interval": "year", "enforcement": "hard"})", "interval"},
      {kQuotaV1, R"({"limit": 1, "interval": 5, "enforcement": "hard"})", "interval"},
      {kQuotaV1, R"({"limit": 1, "interval": "month", "enforcement": "HARD"})", "enforcement"},
      {kQuotaV1, R"({"limit": 1, "interval": "month", "enforcement": true})", "enforcement"},
      {kQuotaV1, R"({"limit": 1, "interval": "month", "enforcement": "hard", "unit": "x"})", "unit"},
      {kStringListV1, R"({"values": "a"})", "values"},
      {kStringListV1, R"({"values": [1]})", "values"},
      {kStringListV1, R"({"values": [""]})", "values"},
      {kStringListV1, R"({"values": ["a", "a"]})", "values"},
      {kStringListV1, R"({"values": ["a\u0007"]})", "values"},
      {kStringListV1, R"({"values": [")" + long_value + R"("]})", "values"},
      {kStringListV1, many, "values"},
      {kStringListV1, R"({"values": [], "extra": 1})", "extra"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.version + " " + c.payload);
    const absl::StatusOr<EntitlementValue> value = ParseEntitlementJson(c.version, c.payload);
    ASSERT_FALSE(value.ok());
    EXPECT_EQ(ReasonOf(value.status()), Reason::FAILURE_REASON_CATALOG_INVALID);
    EXPECT_EQ(MetadataOf(value.status())["where"], c.where);
  }
}

TEST(EntitlementSchema, KeysAreShortLowerCaseNames) {
  for (const char* good : {"projects", "a", "seats.max", "ai_tokens-v2", "x1"}) {
    EXPECT_TRUE(ValidateEntitlementKey(good).ok()) << good;
  }
  const std::string too_long(kMaxEntitlementKeyBytes + 1, 'a');
  for (const std::string& bad : std::vector<std::string>{"", "1a", "Projects", "a b", "_a", "a/b", "é", too_long}) {
    EXPECT_FALSE(ValidateEntitlementKey(bad).ok()) << bad;
  }
}

TEST(EntitlementSchema, ConvertsToTheProto) {
  EXPECT_TRUE(ToProto(BooleanEntitlement{true}).boolean().enabled());
  const auto hard = ToProto(QuotaEntitlement{7, "day", true});
  EXPECT_EQ(hard.quota().limit(), 7);
  EXPECT_EQ(hard.quota().interval(), "day");
  EXPECT_EQ(hard.quota().enforcement(), billing::types::v1::QUOTA_ENFORCEMENT_HARD);
  EXPECT_EQ(ToProto(QuotaEntitlement{7, "day", false}).quota().enforcement(),
            billing::types::v1::QUOTA_ENFORCEMENT_SOFT);
  EXPECT_THAT(ToProto(StringListEntitlement{{"a", "b"}}).string_list().values(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace billmesh::catalog
