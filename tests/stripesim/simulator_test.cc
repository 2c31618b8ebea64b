// The simulator as a whole, without sockets.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/stripesim/test_bench.h"

namespace stripesim {
namespace {

bool Contains(const std::vector<std::string>& types, const std::string& type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

TEST(Simulator, KeysAreChecked) {
  TestBench bench;
  EXPECT_EQ(bench.Do("GET", "/v1/customers", "", {"", "", ""}).status, 401);
  EXPECT_EQ(bench.Do("GET", "/v1/customers", "", {"", "", "Bearer sk_live_1"}).status, 401);
  EXPECT_EQ(bench.Do("GET", "/v1/customers", "", {"", "", "Bearer rk_test_1"}).status, 200);
  EXPECT_EQ(bench.Do("GET", "/v1/customers", "", {"", "", "Basic c2tfdGVzdF94Og=="}).status, 200);
  Options options;
  options.secret_key = "sk_test_only";
  TestBench strict(options);
  EXPECT_EQ(strict.Get("/v1/customers").status, 401);
  EXPECT_EQ(strict.Do("GET", "/v1/customers", "", {"", "", "Bearer sk_test_only"}).status, 200);
}

TEST(Simulator, AnswersCarryStripesHeaders) {
  TestBench bench;
  const Reply reply = bench.Post("/v1/customers", "", {"k1", "2026-10-28.endive"});
  EXPECT_EQ(reply.Header("Request-Id").substr(0, 4), "req_");
  EXPECT_EQ(reply.Header("Stripe-Version"), "2026-10-28.endive");
  EXPECT_EQ(reply.Header("Idempotency-Key"), "k1");
  EXPECT_EQ(reply.Header("Original-Request"), reply.Header("Request-Id"));
  EXPECT_EQ(reply.Header("Date"), HttpDate(kTestNow));
  EXPECT_EQ(reply.Header("Idempotent-Replayed"), "");
  EXPECT_EQ(bench.Post("/v1/customers", "", {"k2", "yesterday"}).status, 400);
  EXPECT_EQ(bench.Get("/v1/nothing").status, 404);
  EXPECT_EQ(bench.Post("/v1/customers", "", {std::string(256, 'k')}).status, 400);
}

TEST(Simulator, ReplayIsTheFirstAnswerByteForByte) {
  TestBench bench;
  const Reply first = bench.Post("/v1/customers", "name=A&metadata[x]=1", {"k"});
  bench.Post("/v1/customers/" + Str(first.json, "id"), "name=B");
  const Reply again = bench.Post("/v1/customers", "metadata[x]=1&name=A", {"k"});
  EXPECT_EQ(again.http.body, first.http.body);
  EXPECT_EQ(again.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(again.Header("Original-Request"), first.Header("Request-Id"));
  EXPECT_NE(again.Header("Request-Id"), first.Header("Request-Id"));
  EXPECT_EQ(bench.Post("/v1/customers", "name=C", {"k"}).Type(), "idempotency_error");
  const Json summary = bench.Control("GET", "summary");
  EXPECT_EQ(summary["customers"], 1);
  EXPECT_EQ(summary["replays"], 1);
  EXPECT_EQ(summary["max_same_key_different_body"], 1);
  EXPECT_EQ(summary["keyless_posts"], 1);
}

TEST(Simulator, ErrorsAfterExecutionAreStoredButValidationIsNot) {
  TestBench bench;
  const std::string bad =
      "mode=payment&success_url=http://x&line_items[0][price]=price_none"
      "&line_items[0][quantity]=1";
  const Reply missing = bench.Post("/v1/checkout/sessions", bad, {"k"});
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(missing.Code(), "resource_missing");
  EXPECT_EQ(bench.Post("/v1/checkout/sessions", bad, {"k"}).Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(bench.Post("/v1/products", "active=true", {"v"}).Code(), "parameter_missing");
  EXPECT_EQ(bench.Post("/v1/products", "name=P", {"v"}).status, 200);
}

TEST(Simulator, FaultsBeforeTheKeyAreNotStoredAndThoseAfterAre) {
  for (const char* action :
       {"error_429", "error_401", "error_403", "error_409", "error_400", "reset_before", "timeout_before"}) {
    TestBench bench;
    bench.Fault(action, {{"count", 1}});
    bench.Post("/v1/customers", "", {"k"});
    const Reply second = bench.Post("/v1/customers", "", {"k"});
    EXPECT_EQ(second.status, 200) << action;
    EXPECT_EQ(second.Header("Idempotent-Replayed"), "") << action;
    EXPECT_EQ(bench.Control("GET", "summary")["customers"], 1) << action;
  }
  struct Case {
    const char* action;
    int status;
    int made;
  };
  for (const Case& c :
       {Case{"error_500_before", 500, 0}, Case{"error_500_after", 500, 1}, Case{"error_402", 402, 0},
        Case{"reset_after", 200, 1}, Case{"timeout_after", 200, 1}, Case{"wrong_content_type", 200, 1}}) {
    TestBench bench;
    bench.Fault(c.action, {{"count", 1}});
    bench.Post("/v1/customers", "", {"k"});
    const Reply second = bench.Post("/v1/customers", "", {"k"});
    EXPECT_EQ(second.status, c.status) << c.action;
    EXPECT_EQ(second.Header("Idempotent-Replayed"), "true") << c.action;
    EXPECT_EQ(bench.Control("GET", "summary")["customers"], c.made) << c.action;
  }
}

TEST(Simulator, ResetsAndTimeOutsSendNothing) {
  TestBench bench;
  bench.Fault("reset_after", {{"count", 1}});
  EXPECT_EQ(bench.Post("/v1/customers").http.fate, HttpReply::Fate::kReset);
  bench.Fault("timeout_before", {{"count", 1}}, {{"hold_ms", 5}});
  const Reply held = bench.Post("/v1/customers");
  EXPECT_EQ(held.http.fate, HttpReply::Fate::kHold);
  EXPECT_EQ(held.http.hold_ms, 5);
}

TEST(Simulator, AKeyIsInUseWhileItsRequestIsDelayed) {
  for (const char* at : {"before", "after"}) {
    TestBench bench;
    bench.Fault("delay_ms", {{"count", 1}}, {{"ms", 50}, {"at", at}});
    const size_t slow = bench.Send("POST", "/v1/customers", "", {"k"});
    EXPECT_FALSE(bench.replies[slow].has_value());
    const Reply conflict = bench.Post("/v1/customers", "", {"k"});
    EXPECT_EQ(conflict.status, 409);
    EXPECT_EQ(conflict.Code(), "idempotency_key_in_use");
    EXPECT_EQ(conflict.Header("Stripe-Should-Retry"), "true");
    ASSERT_EQ(bench.scheduled.size(), 1u);
    EXPECT_EQ(bench.scheduled[0].first, 50);
    bench.scheduled[0].second();
    ASSERT_TRUE(bench.replies[slow].has_value());
    EXPECT_EQ(Str(bench.Post("/v1/customers", "", {"k"}).json, "id"), Str(bench.replies[slow]->json, "id"));
  }
}

TEST(Simulator, AHeldRequestGoesOnOnceWhenItIsReleasedOrWaitedTooLong) {
  for (const bool released : {true, false}) {
    TestBench bench;
    bench.Fault("hold", {{"count", 1}});
    const size_t held = bench.Send("POST", "/v1/customers", "", {"k"});
    EXPECT_FALSE(bench.replies[held].has_value());
    EXPECT_EQ(bench.Control("GET", "held")["held"], 1);
    EXPECT_EQ(bench.Control("GET", "summary")["customers"], 0);
    EXPECT_EQ(bench.Post("/v1/customers", "", {"k"}).Code(), "idempotency_key_in_use");
    ASSERT_EQ(bench.scheduled.size(), 1u);
    EXPECT_EQ(bench.scheduled[0].first, kMaxHeldMs);
    if (released) {
      EXPECT_EQ(bench.Control("DELETE", "held")["released"], 1);
    }
    bench.scheduled[0].second();
    ASSERT_TRUE(bench.replies[held].has_value());
    EXPECT_EQ(bench.replies[held]->status, 200);
    EXPECT_EQ(bench.Control("GET", "held")["held"], 0);
    EXPECT_EQ(bench.Control("GET", "summary")["customers"], 1);
  }
}

TEST(Simulator, APurchaseMakesEachThingOnceAndTellsIt) {
  TestBench bench;
  const std::string customer = bench.Customer();
  const std::string session = bench.Session(customer, bench.Price(), "&subscription_data[metadata][op]=7", {"op-7"});
  EXPECT_EQ(bench.Control("GET", "summary")["open_subscription_sessions_by_customer"][customer], 1);
  EXPECT_EQ(Str(bench.Control("POST", "sessions/" + session + "/fail"), "status"), "open");
  const Json done = bench.Control("POST", "sessions/" + session + "/pay");
  EXPECT_EQ(Str(done, "status"), "complete");
  EXPECT_EQ(Str(done, "payment_status"), "paid");
  const Json sub = bench.Get("/v1/subscriptions/" + Str(done, "subscription")).json;
  EXPECT_EQ(Str(sub, "status"), "active");
  EXPECT_EQ(sub["metadata"]["op"], "7");
  EXPECT_EQ(bench.EventTypes(Str(sub, "id")),
            (std::vector<std::string>{"customer.subscription.created", "customer.subscription.updated"}));
  EXPECT_EQ(bench.EventTypes(Str(sub, "latest_invoice")),
            (std::vector<std::string>{"invoice.created", "invoice.finalized", "invoice.updated", "invoice.paid",
                                      "invoice.payment_succeeded"}));
  const Json summary = bench.Control("GET", "summary");
  EXPECT_EQ(summary["charges"], 1);
  EXPECT_EQ(summary["subscriptions"], 1);
  EXPECT_EQ(summary["max_open_subscription_sessions_per_customer"], 1);
  EXPECT_TRUE(summary["open_subscription_sessions_by_customer"].empty());
  const Json effects = bench.Control("GET", "ledger?kind=effect");
  int charged = 0;
  for (const Json& effect : effects["entries"]) {
    if (Str(effect, "effect") != "charged") continue;
    ++charged;
    EXPECT_EQ(Str(effect, "idempotency_key"), "op-7") << "goes back to the session's request";
    EXPECT_EQ(effect["amount"], 2000);
  }
  EXPECT_EQ(charged, 1);
  EXPECT_NE(bench.Do("POST", "/_sim/sessions/" + session + "/pay").status, 200) << "only once";
}

TEST(Simulator, MeteredPricesTakeNoQuantityAndAreBilledByUse) {
  TestBench bench;
  const std::string base = bench.Price();
  const std::string metered = bench.Price("&recurring[interval]=month&recurring[usage_type]=metered", 5);
  const std::string customer = bench.Customer();
  const std::string with_quantity = "&line_items[1][price]=" + metered + "&line_items[1][quantity]=1";
  EXPECT_EQ(bench.Session(customer, base, with_quantity), "") << "refused";
  const std::string session = bench.Session(customer, base, "&line_items[1][price]=" + metered);
  const Json done = bench.Control("POST", "sessions/" + session + "/pay");
  const Json items = bench.Get("/v1/subscriptions/" + Str(done, "subscription")).json["items"]["data"];
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0]["quantity"], 1);
  EXPECT_FALSE(items[1].contains("quantity"));
  EXPECT_EQ(items[1]["price"]["recurring"]["usage_type"], "metered");
  EXPECT_EQ(bench.Get("/v1/invoices/" + Str(done, "invoice")).json["total"], 2000);
}

TEST(Simulator, TwoOpenSessionsCanBothBePaid) {
  TestBench bench;
  const std::string customer = bench.Customer();
  const std::string price = bench.Price();
  const std::string one = bench.Session(customer, price);
  const std::string two = bench.Session(customer, price);
  bench.Control("POST", "sessions/" + one + "/pay");
  bench.Control("POST", "sessions/" + two + "/pay");
  EXPECT_EQ(bench.Get("/v1/subscriptions?customer=" + customer).json["data"].size(), 2u);
  EXPECT_EQ(bench.Control("GET", "summary")["max_open_subscription_sessions_per_customer"], 2);
}

TEST(Simulator, SessionsExpireByTheClockAndTellIt) {
  TestBench bench;
  const std::string session = bench.Session(bench.Customer(), bench.Price());
  bench.wall += kDay - 1;
  EXPECT_EQ(Str(bench.Get("/v1/checkout/sessions/" + session).json, "status"), "open");
  bench.wall += 1;
  bench.simulator.Tick();
  EXPECT_EQ(bench.EventTypes(session), std::vector<std::string>{"checkout.session.expired"});
  EXPECT_EQ(Str(bench.Get("/v1/checkout/sessions/" + session).json, "status"), "expired");
  EXPECT_EQ(bench.Post("/v1/checkout/sessions/" + session + "/expire").status, 400);
}

TEST(Simulator, EventsCarryTheTimeTheyWereDueAt) {
  TestBench bench;
  const Json sub = bench.Subscribed();
  const int64_t end = Int(sub["items"]["data"][0], "current_period_end");
  bench.Advance(100 * kDay);
  const Json events = bench.Control("GET", "events?object=" + Str(sub, "id"));
  std::vector<int64_t> renewals;
  for (const Json& event : events["data"]) {
    if (event["data"].contains("previous_attributes") && event["data"]["previous_attributes"].contains("items")) {
      renewals.push_back(Int(event, "created"));
    }
  }
  ASSERT_EQ(renewals.size(), 3u);
  EXPECT_EQ(renewals[0], end);
  EXPECT_EQ(renewals[1], AddIntervals(Int(sub, "billing_cycle_anchor"), "month", 2));
  const Json listed = bench.Get("/v1/events?limit=100").json;
  for (const Json& event : listed["data"]) {
    EXPECT_GE(Int(event, "created"), kTestNow + 70 * kDay) << "the API lists 30 days";
  }
}

TEST(Simulator, AFailingCardEndsInTheFinalStatus) {
  for (const char* final_status : {"canceled", "unpaid", "past_due"}) {
    TestBench bench;
    const Json sub = bench.Subscribed();
    bench.Control("POST", "payment_behavior",
                  {{"customer", Str(sub, "customer")}, {"decline", true}, {"final_status", final_status}});
    bench.Control("POST", "clock", {{"now", Int(sub["items"]["data"][0], "current_period_end") + 3601}});
    EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), "past_due");
    bench.Advance(16 * kDay);
    EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), final_status);
  }
}

TEST(Simulator, CancelAtPeriodEndEndsThere) {
  TestBench bench;
  const Json sub = bench.Subscribed();
  const std::string path = "/v1/subscriptions/" + Str(sub, "id");
  bench.Post(path, "cancel_at_period_end=true");
  bench.Control("POST", "clock", {{"now", Int(sub["items"]["data"][0], "current_period_end")}});
  const Json gone = bench.Get(path).json;
  EXPECT_EQ(Str(gone, "status"), "canceled");
  EXPECT_EQ(gone["ended_at"], sub["items"]["data"][0]["current_period_end"]);
  EXPECT_EQ(bench.EventTypes(Str(sub, "id")).back(), "customer.subscription.deleted");
  EXPECT_EQ(bench.Do("DELETE", path).Code(), "resource_missing");
}

TEST(Simulator, TrialsWarnBillAndBecomeActive) {
  TestBench bench;
  const Json sub = bench.Subscribed("&subscription_data[trial_period_days]=14");
  EXPECT_EQ(Str(sub, "status"), "trialing");
  EXPECT_EQ(bench.Control("GET", "summary")["charges"], 0);
  bench.Advance(14 * kDay + 3601);
  EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), "active");
  EXPECT_EQ(bench.Control("GET", "summary")["charges"], 1);
  EXPECT_TRUE(Contains(bench.EventTypes(Str(sub, "id")), "customer.subscription.trial_will_end"));
}

TEST(Simulator, AnUnpaidFirstInvoiceExpiresTheSubscription) {
  TestBench bench;
  const std::string customer = bench.Customer();
  const Json sub = bench
                       .Post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + bench.Price() +
                                                      "&payment_behavior=default_incomplete")
                       .json;
  EXPECT_EQ(Str(sub, "status"), "incomplete");
  bench.Advance(23 * 3600);
  EXPECT_EQ(Str(bench.Get("/v1/subscriptions/" + Str(sub, "id")).json, "status"), "incomplete_expired");
  EXPECT_EQ(Str(bench.Get("/v1/invoices/" + Str(sub, "latest_invoice")).json, "status"), "void");
}

TEST(Simulator, ARefusedChangeLeavesTheSubscriptionAsItWas) {
  TestBench bench;
  const Json sub = bench.Subscribed();
  const std::string path = "/v1/subscriptions/" + Str(sub, "id");
  const Reply refused = bench.Post(
      path, "metadata[x]=1&cancel_at_period_end=true&items[0][price]=" + bench.Price() + "&items[1][price]=price_none");
  EXPECT_EQ(refused.Code(), "resource_missing");
  EXPECT_EQ(bench.Get(path).json, sub);
}

TEST(Simulator, ListsAreFilteredAndPaged) {
  TestBench bench;
  const std::string customer = bench.Customer();
  const std::string price = bench.Price();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.insert(ids.begin(), bench.Session(customer, price));
    bench.wall += 10;
  }
  bench.Session(bench.Customer(), price);
  const Json page = bench.Get("/v1/checkout/sessions?limit=2&customer=" + customer).json;
  EXPECT_EQ(page["has_more"], true);
  EXPECT_EQ(Str(page["data"][0], "id"), ids[0]);
  const Json rest = bench.Get("/v1/checkout/sessions?customer=" + customer + "&starting_after=" + ids[1]).json;
  EXPECT_EQ(rest["data"].size(), 3u);
  EXPECT_EQ(rest["has_more"], false);
  const Json young =
      bench.Get("/v1/checkout/sessions?customer=" + customer + "&created[gte]=" + std::to_string(kTestNow + 30)).json;
  EXPECT_EQ(young["data"].size(), 2u);
  EXPECT_EQ(bench.Get("/v1/checkout/sessions?limit=0").status, 400);
  EXPECT_EQ(bench.Get("/v1/checkout/sessions?limit=101").status, 400);
  EXPECT_EQ(bench.Get("/v1/checkout/sessions?starting_after=cs_none").Code(), "resource_missing");
  EXPECT_EQ(bench.Get("/v1/checkout/sessions?status=complete").json["data"].size(), 0u);
}

TEST(Simulator, TheAccountsVersionShapesEventsAtTheirCreation) {
  TestBench bench;
  bench.Control("POST", "api_version", {{"version", "2024-06-20"}});
  const Json sub = bench.Subscribed();
  EXPECT_TRUE(sub.contains("current_period_end")) << "unversioned requests follow the account";
  bench.Control("POST", "api_version", {{"version", "2026-10-28.endive"}});
  const Json events = bench.Get("/v1/events?type=customer.subscription.created").json;
  EXPECT_EQ(Str(events["data"][0], "api_version"), "2024-06-20");
  EXPECT_TRUE(events["data"][0]["data"]["object"].contains("current_period_end"));
  const Json fresh = bench.Control("GET", "events?shape=2026-10-28.endive");
  for (const Json& event : fresh["data"]) {
    if (Str(event, "type") == "customer.subscription.created") {
      EXPECT_FALSE(event["data"]["object"].contains("current_period_end"));
    }
  }
}

TEST(Simulator, NothingInternalIsShownInAnyVersion) {
  TestBench bench;
  bench.Subscribed();
  for (const char* shape : {"2020-03-02", "2025-03-31.basil", "2026-10-28.endive"}) {
    const std::string text = bench.Control("GET", std::string("events?shape=") + shape).dump();
    EXPECT_EQ(text.find("_legacy"), std::string::npos) << shape;
  }
}

TEST(Simulator, TheLedgerFileHoldsEveryEntry) {
  Options options;
  options.ledger_file = testing::TempDir() + "stripesim_ledger.jsonl";
  std::remove(options.ledger_file.c_str());
  TestBench bench(options);
  bench.Subscribed();
  bench.Post("/v1/customers", "colour=red", {"k"});
  const Json read = bench.Control("GET", "ledger");
  std::ifstream file(options.ledger_file);
  size_t lines = 0;
  Json last;
  for (std::string line; std::getline(file, line); ++lines) last = Json::parse(line);
  EXPECT_EQ(lines, read["entries"].size());
  EXPECT_EQ(last, read["entries"].back());
  EXPECT_EQ(last["error"], "parameter_unknown");
  EXPECT_EQ(last["status"], 400);
  EXPECT_EQ(bench.Control("GET", "ledger?since=" + std::to_string(lines - 1))["entries"].size(), 1u);
  std::remove(options.ledger_file.c_str());
}

TEST(Simulator, SchemasRefuseAndCountBesideTheTable) {
  Options options;
  options.schemas_file = testing::TempDir() + "stripesim_schemas.json";
  std::ofstream(options.schemas_file) << R"({"POST /v1/customers":{"type":"object",
    "additionalProperties":false,"properties":{"email":{"type":"string"}}}})";
  TestBench bench(options);
  std::remove(options.schemas_file.c_str());
  EXPECT_EQ(bench.Post("/v1/customers", "email=a%40b.co").status, 200);
  EXPECT_EQ(bench.Post("/v1/customers", "name=A").Code(), "parameter_unknown");
  EXPECT_EQ(bench.Post("/v1/customers", "name=A", {"", "2025-03-31.basil"}).status, 200)
      << "the schemas are of the newest version";
  EXPECT_EQ(bench.Control("GET", "summary")["schema_violations"], 1);
}

TEST(Simulator, OneSeedTellsOneStory) {
  const auto story = [] {
    TestBench bench;
    bench.Subscribed();
    return bench.Control("GET", "events").dump();
  };
  EXPECT_EQ(story(), story());
}

}  // namespace
}  // namespace stripesim
