#include "tests/fault/life_player.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fault/life_actions.h"

namespace billmesh::convergence {
namespace {

constexpr int kMinActions = 4, kMaxActions = 14;
// Long enough for the last page to expire, whatever happened before.
constexpr int64_t kLastDaysS = 2 * kDayS;

stripesim::Options OptionsFor(uint64_t seed) {
  stripesim::Options options;
  options.seed = seed;
  return options;
}

[[noreturn]] void Impossible(const std::string& what) {
  std::fprintf(stderr, "the simulator refused %s\n", what.c_str());
  std::abort();
}

}  // namespace

LifePlayer::LifePlayer(uint64_t seed) : chance_(seed), bench_(OptionsFor(seed)) { life_.seed = seed; }

Json LifePlayer::Post(const std::string& path, const std::string& form) {
  const stripesim::Reply reply = bench_.Post(path, form);
  return reply.status == 200 ? reply.json : Json();
}

Json LifePlayer::Delete(const std::string& path) {
  const stripesim::Reply reply = bench_.Do("DELETE", path);
  return reply.status == 200 ? reply.json : Json();
}

void LifePlayer::Control(const std::string& what, const Json& body) { bench_.Control("POST", what, body); }

void LifePlayer::Advance(int64_t seconds) {
  if (seconds >= kDayS) Note(absl::StrCat("  ", seconds / kDayS, " days pass"));
  bench_.Advance(seconds);
}

void LifePlayer::Note(const std::string& text) { life_.script.push_back(text); }

std::vector<Json> LifePlayer::List(const std::string& path) {
  const Json page = bench_.Get(path + (absl::StrContains(path, "?") ? "&" : "?") + "limit=100").json;
  std::vector<Json> found;
  if (page.contains("data")) found.assign(page["data"].begin(), page["data"].end());
  return found;
}

std::vector<Json> LifePlayer::Living() {
  std::vector<Json> living;
  for (const Json& sub : List("/v1/subscriptions?status=all&customer=" + customer())) {
    const std::string status = Str(sub, "status");
    if (status != "canceled" && status != "incomplete_expired") living.push_back(sub);
  }
  return living;
}

std::optional<Json> LifePlayer::AnyLiving() {
  const std::vector<Json> living = Living();
  return living.empty() ? std::nullopt : std::optional(Any(living));
}

std::optional<Json> LifePlayer::AnyOf(const std::string& path) {
  const std::vector<Json> found = List(path);
  return found.empty() ? std::nullopt : std::optional(Any(found));
}

std::string LifePlayer::OperationMetadata(const std::string& prefix, const std::string& key) const {
  return absl::StrCat("&", prefix, "[billmesh_operation_key]=", key, "&", prefix,
                      "[billmesh_entity_id]=", kEntityPlaceholder, "&", prefix, "[billmesh_env]=test");
}

std::string LifePlayer::NewKey() { return absl::StrCat("op_convergence", 1000000000 + life_.operations.size()); }

std::string LifePlayer::OpenPage() {
  std::set<std::string> kept;
  for (const LifeOperation& operation : life_.operations) {
    const bool given_up = operation.stored == StoredSession::kAbandoned || operation.stored == StoredSession::kExpired;
    if (!given_up) kept.insert(operation.session_id);
  }
  for (const Json& session : List("/v1/checkout/sessions?status=open&customer=" + customer())) {
    if (kept.count(Str(session, "id")) > 0) return Str(session, "id");
  }
  return "";
}

std::string LifePlayer::OpenCheckout(StoredSession stored, const std::string& more) {
  std::string page = OpenPage();
  if (!page.empty()) return page;
  LifeOperation operation;
  operation.key = NewKey();
  operation.action = "checkout";
  operation.stored = stored;
  if (!life_.operations.empty()) {
    operation.before_start = TakeSnapshot();
    Advance(2);  // what was looked at is older than what comes
  }
  operation.started = Now();
  const std::string plan = "[billmesh_plan_code]=pro";
  const std::string version = "[billmesh_plan_version]=1";
  const Json session =
      Post("/v1/checkout/sessions",
           absl::StrCat("mode=subscription&customer=", customer(), "&line_items[0][price]=", basic(),
                        "&line_items[0][quantity]=", 1 + Dice(3), "&success_url=http://localhost/ok&metadata", plan,
                        "&metadata", version, "&subscription_data[metadata]", plan, "&subscription_data[metadata]",
                        version, OperationMetadata("metadata", operation.key),
                        OperationMetadata("subscription_data[metadata]", operation.key), more));
  if (session.is_null()) return "";
  operation.session_id = Str(session, "id");
  life_.operations.push_back(std::move(operation));
  return life_.operations.back().session_id;
}

void LifePlayer::PaySession(const std::string& session) { Control("sessions/" + session + "/pay", Json::object()); }

void LifePlayer::SellByLink() {
  LifeOperation operation;
  operation.key = NewKey();
  operation.action = "create_payment_link";
  operation.started = Now();
  const Json link = Post(
      "/v1/payment_links",
      absl::StrCat("line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=", 100 + Dice(900),
                   "&line_items[0][price_data][product_data][name]=Credits&line_items[0][quantity]=1"
                   "&invoice_creation[enabled]=true&restrictions[completed_sessions][limit]=1",
                   OperationMetadata("metadata", operation.key),
                   OperationMetadata("payment_intent_data[metadata]", operation.key),
                   OperationMetadata("invoice_creation[invoice_data][metadata]", operation.key)));
  if (link.is_null()) Impossible("a payment link");
  life_.operations.push_back(std::move(operation));
  const stripesim::Reply page = bench_.Do("POST", "/link/" + Str(link, "id"));
  const std::string url = page.Header("Location");
  PaySession(url.substr(url.rfind('/') + 1));
}

// What every life begins with: a customer of ours, and a checkout that ends somehow.
void LifePlayer::FirstPurchase() {
  life_.customer_id =
      Str(Post("/v1/customers", absl::StrCat("name=Acme", OperationMetadata("metadata", NewKey()))), "id");
  if (life_.customer_id.empty()) Impossible("a customer");
  if (OneIn(6)) {
    Note("a page is given up here, and lives on there");
    const std::string given_up = OpenCheckout(OneIn(2) ? StoredSession::kAbandoned : StoredSession::kExpired, "");
    Advance(60 + static_cast<int64_t>(Dice(600)));
    if (OneIn(2)) {
      Note("it is paid all the same");
      PaySession(given_up);
      Advance(static_cast<int64_t>(Dice(3)));
    }
  }
  const StoredSession stored = OneIn(4) ? StoredSession::kHold : OneIn(4) ? StoredSession::kNone : StoredSession::kOpen;
  const bool trial = OneIn(3);
  const std::string more = trial ? absl::StrCat("&subscription_data[trial_period_days]=", 4 + Dice(11)) : "";
  const std::string session = OpenCheckout(stored, more);
  Advance(static_cast<int64_t>(Dice(300)));
  if (OneIn(4)) {
    Note("a card is declined on the page");
    Control("sessions/" + session + "/fail", Json::object());
    Advance(static_cast<int64_t>(Dice(60)));
  }
  if (OneIn(10)) {
    Note("the page expires");
    Advance(kDayS);
    return;
  }
  Note(trial ? "a trial is bought" : "it is bought");
  PaySession(session);
}

LifeSnapshot LifePlayer::TakeSnapshot() {
  LifeSnapshot snapshot;
  snapshot.date = Now();
  std::set<std::string> seen;
  const Json events = bench_.Control("GET", "events?limit=100000");
  for (const Json& event : events["data"]) {
    const Json& object = event["data"]["object"];
    const std::string id = Str(object, "id");
    if (!seen.insert(id).second) continue;
    for (const Retrieval& retrieval : kRetrievals) {
      if (Str(object, "object") != retrieval.object) continue;
      const stripesim::Reply reply = bench_.Do("GET", retrieval.path + id, "", {"", kPinnedVersion});
      if (reply.status == 200) snapshot.objects.push_back({retrieval.kind, id, reply.http.body});
    }
  }
  return snapshot;
}

void LifePlayer::TakeEvents() {
  constexpr const char* kVersions[kShapes] = {kPinnedVersion, kOldVersion};
  for (int shape = 0; shape < kShapes; ++shape) {
    const Json answer = bench_.Control("GET", absl::StrCat("events?limit=100000&shape=", kVersions[shape]));
    if (!answer.contains("data")) Impossible(absl::StrCat("events: ", answer.dump()));
    size_t at = 0;
    for (const Json& event : answer["data"]) {
      const std::string type = Str(event, "type");
      // Nothing of the tenant's.
      if (absl::StartsWith(type, "product.") || absl::StartsWith(type, "price.")) continue;
      if (shape == 0) {
        life_.events.push_back({Str(event, "id"), type, Str(event["data"]["object"], "id"), event["created"], {}});
      }
      life_.events[at++].bodies[static_cast<size_t>(shape)] = stripesim::Dump(event);
    }
  }
}

Life LifePlayer::Play() {
  const auto price = [&](int64_t amount) { return bench_.Price("&recurring[interval]=month", amount); };
  basic_ = price(2000);
  team_ = price(5000);
  add_on_ = price(500);
  FirstPurchase();
  int total = 0;
  for (const LifeAction& action : LifeActions()) total += action.weight;
  const int actions = kMinActions + static_cast<int>(Dice(kMaxActions - kMinActions + 1));
  for (int n = 0; n < actions && !deleted_; ++n) {
    // Some things happen within one second.
    if (!OneIn(4)) Advance(1 + static_cast<int64_t>(Dice(3 * 3600)));
    int pick = static_cast<int>(Dice(static_cast<uint64_t>(total)));
    for (const LifeAction& action : LifeActions()) {
      pick -= action.weight;
      if (pick >= 0) continue;
      Note(action.name);
      action.run(*this);
      break;
    }
    if (OneIn(4)) life_.snapshots.push_back(TakeSnapshot());
  }
  Advance(kLastDaysS);
  TakeEvents();
  Advance(5);
  life_.present = TakeSnapshot();
  return std::move(life_);
}

Life MakeLife(uint64_t seed) { return LifePlayer(seed).Play(); }

}  // namespace billmesh::convergence
