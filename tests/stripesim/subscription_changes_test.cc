// Subscriptions that are changed, ended and ended again; sessions that can't be expired any more.

#include <string>

#include "gtest/gtest.h"
#include "tests/stripesim/test_bench.h"

namespace stripesim {
namespace {

TEST(SubscriptionChanges, ASecondCancellationFindsNothing) {
  TestBench bench;
  const std::string path = "/v1/subscriptions/" + Str(bench.Subscribed(), "id");
  const Reply first = bench.Do("DELETE", path);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(Str(first.json, "status"), "canceled");
  const Reply second = bench.Do("DELETE", path);
  EXPECT_EQ(second.status, 404);
  EXPECT_EQ(second.Code(), "resource_missing");
  // It can still be looked at.
  EXPECT_EQ(Str(bench.Get(path).json, "status"), "canceled");
  EXPECT_EQ(bench.Post(path, "cancel_at_period_end=true").status, 400);
  EXPECT_EQ(bench.Do("DELETE", path + "?nonsense=1").Code(), "parameter_unknown");
}

TEST(SubscriptionChanges, TheEndOfThePeriodIsSetAndTakenBack) {
  TestBench bench;
  const Json sub = bench.Subscribed("&subscription_data[metadata][op]=7");
  const std::string path = "/v1/subscriptions/" + Str(sub, "id");
  const Json ending = bench.Post(path, "cancel_at_period_end=true").json;
  EXPECT_EQ(ending["cancel_at_period_end"], true);
  EXPECT_EQ(ending["cancel_at"], sub["items"]["data"][0]["current_period_end"]);
  EXPECT_EQ(ending["metadata"]["op"], "7");
  const Json on = bench.Post(path, "cancel_at_period_end=false").json;
  EXPECT_EQ(on["cancel_at_period_end"], false);
  EXPECT_TRUE(on["cancel_at"].is_null());
  EXPECT_EQ(Str(on, "status"), "active");

  const std::string date = std::to_string(Int(sub["items"]["data"][0], "current_period_end") - 60);
  EXPECT_EQ(bench.Post(path, "cancel_at=" + date).json["cancel_at_period_end"], false);
  EXPECT_FALSE(bench.Post(path, "cancel_at_period_end=false").json["cancel_at"].is_null()) << "another setting";
  EXPECT_TRUE(bench.Post(path, "cancel_at=").json["cancel_at"].is_null());
}

TEST(SubscriptionChanges, ItemsAreAddedCountedAndRemoved) {
  TestBench bench;
  const std::string add_on = bench.Price("&recurring[interval]=month", 300);
  const std::string path = "/v1/subscriptions/" + Str(bench.Subscribed(), "id");
  const Json added = bench.Post(path, "items[0][price]=" + add_on + "&items[0][quantity]=2").json;
  ASSERT_EQ(added["items"]["data"].size(), 2u);
  const Json& item = added["items"]["data"][1];
  EXPECT_EQ(Str(item["price"], "id"), add_on);
  EXPECT_EQ(item["quantity"], 2);
  const std::string id = Str(item, "id");
  EXPECT_EQ(bench.Post(path, "items[0][id]=" + id + "&items[0][quantity]=5").json["items"]["data"][1]["quantity"], 5);
  EXPECT_EQ(bench.Post(path, "items[0][price]=" + add_on + "&items[0][quantity]=1").status, 400) << "twice the price";
  EXPECT_EQ(bench.Post(path, "items[0][id]=" + id + "&items[0][deleted]=true").json["items"]["data"].size(), 1u);
  EXPECT_EQ(bench.Post(path, "items[0][id]=" + id + "&items[0][quantity]=1").Code(), "resource_missing");
}

TEST(SubscriptionChanges, OnlyAnOpenSessionExpires) {
  TestBench bench;
  const std::string session = bench.Session(bench.Customer(), bench.Price());
  EXPECT_EQ(Str(bench.Post("/v1/checkout/sessions/" + session + "/expire").json, "status"), "expired");
  const Reply again = bench.Post("/v1/checkout/sessions/" + session + "/expire");
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(again.Type(), "invalid_request_error");
  EXPECT_EQ(bench.Post("/v1/checkout/sessions/cs_none/expire").status, 404);
}

}  // namespace
}  // namespace stripesim
