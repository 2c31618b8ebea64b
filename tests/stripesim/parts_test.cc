// The pieces of the simulator one by one: forms, parameters, schemas, keys, signatures, shapes, time.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/stripesim/error.h"
#include "tests/stripesim/faults.h"
#include "tests/stripesim/form.h"
#include "tests/stripesim/idempotency.h"
#include "tests/stripesim/ids.h"
#include "tests/stripesim/params.h"
#include "tests/stripesim/routes.h"
#include "tests/stripesim/schema_check.h"
#include "tests/stripesim/shapes.h"
#include "tests/stripesim/signature.h"
#include "tests/stripesim/sim_clock.h"

namespace stripesim {
namespace {

Json Nested(std::string_view form) { return NestForm(ParseForm(form)); }

// The refusal's "code param", or "" where there is none.
template <typename F>
std::string RefusalOf(F run) {
  try {
    run();
  } catch (const ApiError& error) {
    return error.code + " " + error.param;
  }
  return "";
}

std::string Refusal(const std::string& spec, std::string_view form, std::string_view version = "2026-10-28.endive") {
  return RefusalOf([&] { CheckParams(ParseSpec(spec), Nested(form), version); });
}

TEST(Form, NestsBracketsAndDecodes) {
  const Json json = Nested("a[b][0][c]=x%20y&a[b][1][c]=z+w&plain=%E2%82%AC&list[]=1&list[]=2");
  EXPECT_EQ(json["a"]["b"]["0"]["c"], "x y");
  EXPECT_EQ(json["a"]["b"]["1"]["c"], "z w");
  EXPECT_EQ(json["plain"], "€");
  EXPECT_EQ(json["list"]["0"], "1");
  EXPECT_EQ(json["list"]["1"], "2");
}

TEST(Form, RefusesWhatCannotBeMeant) {
  EXPECT_THROW(Nested("a=1&a[b]=2"), ApiError);
  EXPECT_THROW(Nested("a[b]=1&a=2"), ApiError);
  EXPECT_THROW(Nested("a[b=1"), ApiError);
  EXPECT_THROW(ParseForm("a=%FF"), ApiError);
  EXPECT_THROW(ParseForm("a=%C0%80"), ApiError) << "overlong";
  EXPECT_THROW(ParseForm("a=%ED%A0%80"), ApiError) << "surrogate";
  EXPECT_THROW(Nested("a[b][c][d][e][f][g][h][i][j][k][l]=1"), ApiError);
}

TEST(Form, CanonicalTextIgnoresOrderButNotContent) {
  const auto canonical = [](std::string_view form) { return CanonicalForm(ParseForm(form)); };
  EXPECT_EQ(canonical("b=2&a=1"), canonical("a=1&b=2"));
  EXPECT_NE(canonical("a=1&b=2"), canonical("a=1&b=3"));
  EXPECT_NE(canonical("x[]=1&x[]=2"), canonical("x[]=2&x[]=1"));
  EXPECT_NE(canonical("a=1%26b%3D2"), canonical("a=1&b=2"));
}

TEST(Params, TypesAreCheckedInStripesForm) {
  const std::string spec = "name!:s count:i on:b mode:e(x|y) items:[{price!:s quantity:i}] text~:s";
  EXPECT_EQ(Refusal(spec, "name=n&count=3&on=true&mode=x&items[0][price]=p"), "");
  EXPECT_EQ(Refusal(spec, "count=3"), "parameter_missing name");
  EXPECT_EQ(Refusal(spec, "name=n&other=1"), "parameter_unknown other");
  EXPECT_EQ(Refusal(spec, "name=n&items[0][colour]=1"), "parameter_unknown items[0][colour]");
  EXPECT_EQ(Refusal(spec, "name=n&items[0][quantity]=1"), "parameter_missing items[0][price]");
  EXPECT_EQ(Refusal(spec, "name=n&count=3.5"), "parameter_invalid_integer count");
  EXPECT_EQ(Refusal(spec, "name=n&count=99999999999999999999"), "parameter_invalid_integer count");
  EXPECT_EQ(Refusal(spec, "name="), "parameter_invalid_empty name");
  EXPECT_EQ(Refusal(spec, "name=n&on=yes"), " on");
  EXPECT_EQ(Refusal(spec, "name=n&mode=z"), " mode");
  EXPECT_EQ(Refusal(spec, "name=n&items[a][price]=p"), " items");
  EXPECT_EQ(Refusal(spec, "name=n&text="), "") << "may be emptied";
  EXPECT_EQ(Refusal(spec, "name[x]=n"), " name");
}

TEST(Params, ValuesComeTyped) {
  const Json out = CheckParams(ParseSpec("a:i b:b c:[s] d:m e~:s f:r"), Nested("a=-7&b=false&c[]=x&d[k]=v&e=&f[gte]=5"),
                               "2026-10-28.endive");
  EXPECT_EQ(out["a"], -7);
  EXPECT_EQ(out["b"], false);
  EXPECT_EQ(out["c"], Json::array({"x"}));
  EXPECT_EQ(out["d"]["k"], "v");
  EXPECT_TRUE(out["e"].is_null());
  EXPECT_EQ(out["f"]["gte"], 5);
}

TEST(Params, AParameterCanBeGoneSinceAVersion) {
  EXPECT_EQ(Refusal("old<2026-09-30:[s]", "old[]=1", "2026-08-26.dahlia"), "");
  EXPECT_EQ(Refusal("old<2026-09-30:[s]", "old[]=1", "2026-09-30.endive"), "parameter_unknown old");
}

TEST(Params, MetadataHasStripesLimits) {
  const std::string key40(40, 'k');
  EXPECT_EQ(Refusal("m:m", "m[" + key40 + "]=" + std::string(500, 'v')), "");
  EXPECT_EQ(Refusal("m:m", "m[" + key40 + "x]=v"), " m[" + key40 + "x]");
  EXPECT_EQ(Refusal("m:m", "m[k]=" + std::string(501, 'v')), " m[k]");
  std::string fifty;
  for (int i = 0; i < 50; ++i) fifty += "m[k" + std::to_string(i) + "]=v&";
  EXPECT_EQ(Refusal("m:m", fifty), "");
  EXPECT_EQ(Refusal("m:m", fifty + "m[one]=more"), " m");
}

TEST(Params, EveryRouteHasParameters) {
  EXPECT_GT(AllRoutes().size(), 60u);
  for (const Route& route : AllRoutes()) EXPECT_NE(route.spec, nullptr) << route.operation;
}

// The refusal of a request by the table's own parameters of its endpoint.
std::string RefusalAt(std::string_view operation, std::string_view form) {
  return RefusalOf([&] { CheckParams(*SpecOf(operation), Nested(form), "2026-10-28.endive"); });
}

TEST(Params, MapsTakeAnyNamesButTypedValues) {
  EXPECT_EQ(Refusal("m:<{n!:i}>", "m[usd][n]=1&m[eur][n]=2"), "");
  EXPECT_EQ(Refusal("m:<{n!:i}>", "m[usd][n]=x"), "parameter_invalid_integer m[usd][n]");
  EXPECT_EQ(Refusal("m:<{n!:i}>", "m[usd][o]=1"), "parameter_unknown m[usd][o]");
  EXPECT_EQ(Refusal("m:<{n!:i}>", "m=5"), " m");
  EXPECT_EQ(Refusal("m:<i>", "m[usd]="), "parameter_invalid_empty m[usd]");
  EXPECT_EQ(Refusal("m:<~i>", "m[usd]="), "") << "may be emptied";
}

TEST(Params, UnknownNamesInNestedHashesAreRefused) {
  const struct {
    const char* operation;
    const char* form;
    const char* param;
  } kCases[] = {
      {"POST /v1/customers", "tax[foo]=5", "tax[foo]"},
      {"POST /v1/customers", "cash_balance[nope]=5", "cash_balance[nope]"},
      {"POST /v1/customers", "shipping[nope]=1", "shipping[nope]"},
      {"POST /v1/customers", "shipping[address][planet]=x&shipping[name]=n", "shipping[address][planet]"},
      {"POST /v1/customers/{id}", "invoice_settings[rendering_options][a]=1", "invoice_settings[rendering_options][a]"},
      {"POST /v1/products", "name=n&package_dimensions[depth]=1", "package_dimensions[depth]"},
      {"POST /v1/prices", "currency=usd&tiers[0][upto]=1", "tiers[0][upto]"},
      {"POST /v1/prices", "currency=usd&currency_options[eur][amount]=1", "currency_options[eur][amount]"},
      {"GET /v1/prices", "recurring[every]=month", "recurring[every]"},
      {"POST /v1/checkout/sessions", "mode=payment&discounts[0][code]=x", "discounts[0][code]"},
      {"POST /v1/checkout/sessions", "mode=payment&consent_collection[tos]=x", "consent_collection[tos]"},
      {"POST /v1/checkout/sessions", "mode=subscription&subscription_data[invoice_settings][memo]=x",
       "subscription_data[invoice_settings][memo]"},
      {"POST /v1/subscriptions", "automatic_tax[on]=true", "automatic_tax[on]"},
      {"POST /v1/subscriptions/{id}", "payment_settings[nope]=1", "payment_settings[nope]"},
      {"POST /v1/subscription_items", "subscription=s&billing_thresholds[amount]=1", "billing_thresholds[amount]"},
      {"POST /v1/subscription_items/{id}", "price_data[product_data][name]=x", "price_data[product_data]"},
      {"POST /v1/payment_links/{id}", "custom_text[footer][message]=x", "custom_text[footer]"},
      {"POST /v1/billing_portal/sessions", "flow_data[subscription_update][item]=x",
       "flow_data[subscription_update][item]"},
  };
  for (const auto& [operation, form, param] : kCases) {
    EXPECT_EQ(RefusalAt(operation, form), std::string("parameter_unknown ") + param) << operation << " " << form;
  }
}

TEST(Params, IllTypedNestedValuesAreRefused) {
  const char kCustomers[] = "POST /v1/customers", kSessions[] = "POST /v1/checkout/sessions";
  EXPECT_EQ(RefusalAt(kCustomers, "shipping=5"), " shipping") << "a scalar where a hash is needed";
  EXPECT_EQ(RefusalAt(kCustomers, "shipping="), "") << "emptied";
  EXPECT_EQ(RefusalAt(kCustomers, "shipping[address][city]=c"), "parameter_missing shipping[name]");
  EXPECT_EQ(RefusalAt(kCustomers, "tax[validate_location]=later"), " tax[validate_location]");
  EXPECT_EQ(RefusalAt("POST /v1/prices", "currency=usd&custom_unit_amount[enabled]=true&custom_unit_amount[minimum]=x"),
            "parameter_invalid_integer custom_unit_amount[minimum]");
  EXPECT_EQ(RefusalAt(kSessions, "mode=payment&optional_items[0][price]=p&optional_items[0][quantity]=x"),
            "parameter_invalid_integer optional_items[0][quantity]");
  EXPECT_EQ(RefusalAt(kSessions, "mode=payment&discounts[coupon]=x"), " discounts")
      << "a hash where an array is needed";
  EXPECT_EQ(RefusalAt(kSessions, "mode=payment&payment_method_options[card]=5"), " payment_method_options[card]");
  EXPECT_EQ(RefusalAt(kSessions, "mode=payment&payment_method_options[card][request_three_d_secure]=any"), "");
  try {
    CheckParams(*SpecOf(kCustomers), Nested("shipping=5"), "2026-10-28.endive");
    FAIL() << "not refused";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.type, "invalid_request_error");
    EXPECT_EQ(error.message, "Invalid object");
  }
}

TEST(Schema, RefusesWhatDoesNotFit) {
  const std::string path = testing::TempDir() + "stripesim_schema.json";
  std::ofstream(path) << R"({"POST /v1/x":{"type":"object","additionalProperties":false,
    "required":["n"],"properties":{"n":{"type":"integer"},
    "c":{"anyOf":[{"type":"array","items":{"type":"string","enum":["a","b"]}},
                  {"type":"string","enum":[""]}]}}}})";
  const SchemaSet schemas(path);
  std::remove(path.c_str());
  const auto check = [&](std::string_view form) {
    return RefusalOf([&] { schemas.Check("POST /v1/x", Nested(form)); });
  };
  EXPECT_EQ(check("n=1&c[]=a"), "");
  EXPECT_EQ(check("n=1&c="), "");
  EXPECT_EQ(check("n=one"), "parameter_invalid_integer n");
  EXPECT_EQ(check("c[]=a"), "parameter_missing n");
  EXPECT_EQ(check("n=1&d=2"), "parameter_unknown d");
  EXPECT_EQ(check("n=1&c[]=z"), " c[0]");
  EXPECT_EQ(check("n=1&c=z"), " c");
  EXPECT_EQ(RefusalOf([&] { schemas.Check("POST /v1/other", Nested("d=2")); }), "");
}

TEST(Idempotency, ReplaysConflictsAndForgets) {
  IdempotencyStore store(10);
  EXPECT_EQ(store.Begin("k", "/a", "h", 100), nullptr);
  EXPECT_EQ(RefusalOf([&] { store.Begin("k", "/a", "h", 100); }), "idempotency_key_in_use ");
  store.Finish("k", {500, "body", "req_1"});
  const StoredAnswer* stored = store.Begin("k", "/a", "h", 101);
  ASSERT_NE(stored, nullptr);
  EXPECT_EQ(stored->status, 500);
  EXPECT_EQ(stored->body, "body");
  EXPECT_THROW(store.Begin("k", "/a", "other", 101), ApiError);
  EXPECT_THROW(store.Begin("k", "/b", "h", 101), ApiError);
  EXPECT_EQ(store.Begin("v", "/a", "h", 101), nullptr);
  store.Forget("v");
  EXPECT_EQ(store.Begin("v", "/b", "different", 102), nullptr) << "nothing was stored";
}

TEST(Idempotency, KeysEndAfter24HoursEvenBehindARunningOne) {
  IdempotencyStore store(10);
  EXPECT_EQ(store.Begin("running", "/a", "h", 0), nullptr);
  EXPECT_EQ(store.Begin("k", "/a", "h", 0), nullptr);
  store.Finish("k", {200, "x", "req_1"});
  EXPECT_NE(store.Begin("k", "/a", "h", kIdempotencyLifeS - 1), nullptr);
  EXPECT_EQ(store.Begin("k", "/a", "other", kIdempotencyLifeS), nullptr) << "a new request";
}

TEST(Idempotency, IsBounded) {
  IdempotencyStore store(3);
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    store.Begin(key, "/a", "h", i);
    store.Finish(key, {200, "x", "req"});
  }
  EXPECT_LE(store.size(), 4u);
}

TEST(Signature, IsHmacSha256OverTimeAndBody) {
  // RFC 4231, test case 2.
  EXPECT_EQ(HmacSha256Hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(SignatureHeader("s", 12, "{}"), "t=12,v1=" + HmacSha256Hex("s", "12.{}"));
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Shapes, OldVersionsSeePeriodsOnTheSubscription) {
  Json sub = Json::parse(R"({"id":"sub_1","object":"subscription","discounts":[],
    "items":{"object":"list","data":[{"id":"si_1","object":"subscription_item","quantity":2,
    "current_period_start":1,"current_period_end":9,"plan":{"id":"p"}}]}})");
  Json fresh = sub;
  Render(fresh, "2026-10-28.endive");
  EXPECT_EQ(fresh, sub);
  Render(sub, "2024-06-20");
  EXPECT_EQ(sub["current_period_start"], 1);
  EXPECT_EQ(sub["current_period_end"], 9);
  EXPECT_EQ(sub["quantity"], 2);
  EXPECT_FALSE(sub["items"]["data"][0].contains("current_period_end"));
}

TEST(Shapes, LegacyMembersNeverLeak) {
  Json invoice = Json::parse(R"({"id":"in_1","object":"invoice","status":"paid","parent":
    {"type":"subscription_details","subscription_details":{"subscription":"sub_1","metadata":{}}},
    "lines":{"object":"list","data":[]},"_legacy":{"payment_intent":"pi_1","charge":"ch_1"}})");
  Json old = invoice;
  Render(old, "2020-03-02");
  EXPECT_EQ(old["subscription"], "sub_1");
  EXPECT_EQ(old["payment_intent"], "pi_1");
  EXPECT_EQ(old["charge"], "ch_1");
  EXPECT_EQ(old["paid"], true);
  EXPECT_FALSE(old.contains("parent"));
  EXPECT_FALSE(old.contains("_legacy"));
  Render(invoice, "2025-03-31.basil");
  EXPECT_FALSE(invoice.contains("_legacy"));
  EXPECT_FALSE(invoice.contains("payment_intent"));
}

TEST(Shapes, OldVersionsSeeBothEndsOfThePreviousPeriod) {
  const auto with_period = [](int64_t start, int64_t end) {
    const Json item = {{"object", "subscription_item"}, {"current_period_start", start}, {"current_period_end", end}};
    return Json{{"object", "subscription"}, {"items", {{"object", "list"}, {"data", Json::array({item})}}}};
  };
  Json previous = {{"items", with_period(1, 2)["items"]}};
  RenderPrevious(previous, with_period(2, 3), "2024-06-20");
  EXPECT_EQ(previous["current_period_start"], 1);
  EXPECT_EQ(previous["current_period_end"], 2);
}

TEST(Shapes, PreviousAttributesHoldTheOldValues) {
  const Json before = Json::parse(R"({"a":1,"h":{"x":1,"y":2},"l":{"object":"list","data":[1]}})");
  Json after = before;
  after["h"]["y"] = 3;
  after["l"]["data"].push_back(2);
  after["n"] = 5;
  const Json previous = PreviousAttributes(before, after);
  EXPECT_EQ(previous["h"], Json::parse(R"({"y":2})"));
  EXPECT_EQ(previous["l"], before["l"]);
  EXPECT_TRUE(previous["n"].is_null());
  EXPECT_FALSE(previous.contains("a"));
}

TEST(Clock, MonthsAreCalendarMonthsOfTheAnchor) {
  const int64_t january31 = 1769817600;  // 2026-01-31 00:00 UTC
  EXPECT_EQ(HttpDate(january31), "Sat, 31 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(HttpDate(AddIntervals(january31, "month", 1)), "Sat, 28 Feb 2026 00:00:00 GMT");
  EXPECT_EQ(HttpDate(AddIntervals(january31, "month", 2)), "Tue, 31 Mar 2026 00:00:00 GMT");
  EXPECT_EQ(HttpDate(AddIntervals(january31, "month", 25)), "Tue, 29 Feb 2028 00:00:00 GMT");
  EXPECT_EQ(HttpDate(AddIntervals(january31, "month", -1)), "Wed, 31 Dec 2025 00:00:00 GMT");
  EXPECT_EQ(AddIntervals(january31, "week", 2) - january31, 14 * 86400);
}

TEST(Ids, OneSeedGivesOneSequence) {
  IdSource a(7);
  IdSource b(7);
  IdSource c(8);
  const std::string id = a.ForObject("customer", false);
  EXPECT_EQ(id, b.ForObject("customer", false));
  EXPECT_NE(id, c.ForObject("customer", false));
  EXPECT_EQ(id.size(), 18u);
  EXPECT_EQ(a.ForObject("checkout.session", false).size(), 66u);
}

TEST(Faults, NthCountAndPrefixesAreObeyed) {
  FaultPlan plan;
  IdSource ids(1);
  EXPECT_EQ(plan.Add(Json::parse(R"({"action":"error_429","match":{"nth":2,"path_prefix":"/v1/c"}})")), "");
  EXPECT_EQ(plan.Add(Json::parse(R"({"action":"reset_after","match":{"count":1,"method":"POST"}})")), "");
  EXPECT_NE(plan.Add(Json::parse(R"({"action":"explode"})")), "");
  EXPECT_NE(plan.Add(Json::parse(R"({"action":"error_429","match":{"nht":2}})")), "");
  const FaultSubject post{"POST", "/v1/customers", "k", "", ""};
  EXPECT_FALSE(plan.Strike(FaultStage::kFront, post, ids));
  EXPECT_TRUE(plan.Strike(FaultStage::kFront, post, ids));
  EXPECT_FALSE(plan.Strike(FaultStage::kFront, post, ids));
  EXPECT_FALSE(plan.Strike(FaultStage::kReply, {"GET", "/v1/x", "", "", ""}, ids));
  EXPECT_TRUE(plan.Strike(FaultStage::kReply, post, ids));
  EXPECT_FALSE(plan.Strike(FaultStage::kReply, post, ids));
}

TEST(Faults, ProbabilityIsSeeded) {
  const auto run = [](uint64_t seed) {
    FaultPlan plan;
    IdSource ids(seed);
    plan.Add(Json::parse(R"({"action":"error_429","match":{"probability":0.3}})"));
    std::string strikes;
    for (int i = 0; i < 200; ++i) {
      strikes += plan.Strike(FaultStage::kFront, {}, ids) ? '1' : '0';
    }
    return strikes;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
  const std::string strikes = run(5);
  const auto hits = std::count(strikes.begin(), strikes.end(), '1');
  EXPECT_GT(hits, 30);
  EXPECT_LT(hits, 90);
}

}  // namespace
}  // namespace stripesim
