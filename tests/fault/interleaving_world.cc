#include "tests/fault/interleaving_world.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/outbox/outbox_store.h"
#include "common/status/status.h"
#include "services/checkout/cancel_checkout_request.h"
#include "services/checkout/checkout_request.h"
#include "services/checkout/payment_link_request.h"
#include "services/checkout/portal_request.h"
#include "services/checkout/subscription_change_request.h"

namespace billmesh::interleaving {
namespace {

using nlohmann::json;

constexpr char kSecretKey[] = "sk_test_interleaving";
// Short, so that operations are taken over from holders that still run.
const absl::Duration kLease = absl::Seconds(2);
constexpr int kKeys = 3, kStepsAGeneration = 200;
constexpr size_t kMostEvents = 6, kLookBack = 12;
constexpr int kMaxDrainRounds = 60;

// The webhook daemon's projection without the way there.
class NearProjection : public checkout::ProjectionPeer {
 public:
  explicit NearProjection(webhook::ProjectionService& service) : service_(service) {}
  absl::Status Project(const std::string&, const std::vector<checkout::FetchedObject>& objects,
                       absl::Duration) override {
    std::vector<webhook::FetchedObject> fetched;
    for (const checkout::FetchedObject& object : objects) {
      fetched.push_back({object.kind, object.object_json, object.provider_date});
    }
    return service_.Project(fetched, "checkout").status();
  }

 private:
  webhook::ProjectionService& service_;
};

checkout::Actions::Deps ActionDeps(IdGenerator& ids, const provider::ObjectFormat& format) {
  return {.ids = ids, .format = format, .currency = "eur", .public_base_url = "https://app.example", .times = {}};
}

}  // namespace

InterleavingWorld::InterleavingWorld(int entities, int connections)
    : simulator_(kSecretKey), actions_(ActionDeps(database_.ids(), format_)) {
  provider_ = std::make_unique<stripe::StripeProvider>(
      stripe::ClientOptions{
          .api_base = simulator_.url(), .secret_key = [] { return std::string(kSecretKey); }, .max_attempts = 1},
      database_.clock(), database_.ids());
  kernel_ = std::make_unique<checkout::OperationKernel>(
      checkout::OperationKernel::Deps{.pool = database_.Pool("checkout", connections),
                                      .clock = database_.clock(),
                                      .ids = database_.ids(),
                                      .provider = *provider_,
                                      .format = format_,
                                      .env = "test",
                                      .operation_key_secret = "a secret that is long enough for us",
                                      .holder = "checkout/interleaving",
                                      .times = {.lease = kLease, .call_timeout = kLease / 2}});
  webhook_ = std::make_unique<webhook::Replica>(database_, "webhook/interleaving");
  projection_ = std::make_unique<webhook::ProjectionService>(
      webhook::ProjectionService::Deps{
          .pool = webhook_->pool, .ids = webhook_->ids, .notifier = webhook_->notifier, .source = webhook_->source},
      webhook::DefaultSettings());
  peer_ = std::make_unique<NearProjection>(*projection_);
  refresher_ = std::make_unique<checkout::SessionRefresher>(
      checkout::SessionRefresher::Deps{.pool = database_.Pool("checkout", connections),
                                       .clock = database_.clock(),
                                       .ids = database_.ids(),
                                       .provider = *provider_,
                                       .format = format_,
                                       .projection = *peer_,
                                       .env = "test",
                                       .times = {.pause = absl::Milliseconds(1), .timeout = kLease / 2}});
  expire_ = std::make_unique<reconciler::ExpireSessionJob>(
      reconciler::ExpireSessionJob::Deps{*provider_, format_, database_.clock()});
  outbox_ = std::make_unique<reconciler::OutboxWorker>(
      reconciler::OutboxWorker::Deps{.pool = database_.Pool("reconciler", connections),
                                     .clock = database_.clock(),
                                     .ids = database_.ids(),
                                     .handlers = {{outbox::kExpireCheckoutSession, expire_.get()}}},
      reconciler::OutboxWorker::Options{.env = "test",
                                        .owner = "reconciler/interleaving",
                                        .lease = kLease,
                                        .max_attempts = 12,
                                        .backoff = {absl::Milliseconds(10), absl::Seconds(1)}});
  SellPlans();
  for (int n = 0; n < entities; ++n) {
    entities_.push_back(database_.AddWorkspace(absl::StrCat("workspace-", n), absl::StrCat("user-", n)));
  }
  BreakSomeCalls();
}

InterleavingWorld::~InterleavingWorld() = default;

void InterleavingWorld::SellPlans() {
  SellPlan("pro", 2900);
  SellPlan("extra", 900);
  database_.Admin("UPDATE billing.plans SET kind = 'add_on' WHERE code = 'extra'");
  database_.Admin(
      "UPDATE billing.plan_prices r SET component = 'add_on' FROM billing.plans p "
      "WHERE p.id = r.plan_id AND p.code = 'extra'");
}

void InterleavingWorld::SellPlan(const std::string& code, int64_t unit_amount_minor) {
  database_.AddPlan(code, unit_amount_minor, {});
  const auto post = [&](const char* path, const std::string& form) {
    return json::parse(
        simulator_.Send("POST", path, form, {{"Content-Type", "application/x-www-form-urlencoded"}}).body);
  };
  const json product = post("/v1/products", "name=" + code);
  const json price =
      post("/v1/prices", absl::StrCat("currency=eur&unit_amount=", unit_amount_minor,
                                      "&recurring%5Binterval%5D=month&product=", product.at("id").get<std::string>()));
  database_.Admin("UPDATE billing.plan_prices SET provider_price_id = $1 WHERE provider_price_id = $2",
                  {price.at("id").get<std::string>(), "price_" + code});
}

// So that operations stay pending and are recovered beside everything else.
void InterleavingWorld::BreakSomeCalls() {
  for (const char* action : {"reset_before", "reset_after"}) {
    Sim("POST", "faults",
        {{"match", {{"method", "POST"}, {"path_prefix", "/v1/"}, {"probability", 0.06}}}, {"action", action}});
  }
}

void InterleavingWorld::Step(Chance& chance) {
  using Run = void (InterleavingWorld::*)(Chance&);
  constexpr std::pair<Run, int> kSteps[] = {
      {&InterleavingWorld::StartCheckout, 6},
      {&InterleavingWorld::Deliver, 8},
      {&InterleavingWorld::Pay, 3},
      {&InterleavingWorld::ExpireAtProvider, 1},
      {&InterleavingWorld::CancelCheckout, 2},
      {&InterleavingWorld::CancelSubscription, 2},
      {&InterleavingWorld::ResumeSubscription, 1},
      {&InterleavingWorld::SetAddOn, 2},
      {&InterleavingWorld::CreatePaymentLink, 1},
      {&InterleavingWorld::OpenPortal, 1},
      {&InterleavingWorld::ReturnFromPayment, 3},
      {&InterleavingWorld::ProjectFetched, 2},
      {&InterleavingWorld::Recover, 4},
      {&InterleavingWorld::TakeUpEvents, 2},
      {&InterleavingWorld::WorkOutbox, 2},
      {&InterleavingWorld::PassLease, 1},
  };
  ++steps_;
  int total = 0;
  for (const auto& [run, weight] : kSteps) total += weight;
  int drawn = static_cast<int>(chance() % static_cast<uint64_t>(total));
  for (const auto& [run, weight] : kSteps) {
    if ((drawn -= weight) < 0) return (this->*run)(chance);
  }
}

std::string InterleavingWorld::SomeKey(Chance& chance) {
  return absl::StrCat("key-", steps_ / kStepsAGeneration, "-", chance() % kKeys);
}

void InterleavingWorld::Write(const char* step, const checkout::Action& action, const std::string& entity,
                              const std::string& key, const absl::StatusOr<std::string>& order) {
  if (!order.ok()) return Note(step, order.status());
  const checkout::WriteRequest request{entity, "service:interleaving", key, *order, checkout::Fingerprint(*order)};
  Note(step, kernel_->Run(action, request).status());
}

void InterleavingWorld::StartCheckout(Chance& chance) {
  Write("start", actions_.checkout, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::CheckoutOrder{"pro", "/done", "/back", 0}));
}

void InterleavingWorld::CancelCheckout(Chance& chance) {
  const std::string& entity = SomeEntity(chance);
  const std::string operation = Value(
      "SELECT o.id FROM billing.request_idempotency o WHERE o.entity_id = $1 AND o.action = 'checkout' "
      "ORDER BY o.created_at DESC LIMIT 1",
      {entity});
  if (operation.empty()) return;
  Write("cancel checkout", actions_.cancel_checkout, entity, SomeKey(chance),
        checkout::EncodeOrder(checkout::CancelCheckoutOrder{operation}));
}

void InterleavingWorld::CancelSubscription(Chance& chance) {
  const auto timing = chance() % 3 == 0 ? checkout::CancelTiming::kAtPeriodEnd : checkout::CancelTiming::kNow;
  Write("cancel subscription", actions_.cancel_subscription, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::CancelSubscriptionOrder{timing}));
}

void InterleavingWorld::ResumeSubscription(Chance& chance) {
  Write("resume subscription", actions_.resume_subscription, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::ResumeSubscriptionOrder{}));
}

void InterleavingWorld::SetAddOn(Chance& chance) {
  Write("add-on", actions_.set_add_on, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::SetAddOnOrder{"extra", static_cast<int64_t>(chance() % 3)}));
}

void InterleavingWorld::CreatePaymentLink(Chance& chance) {
  Write("payment link", actions_.payment_link, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::PaymentLinkOrder{
            .ad_hoc = checkout::AdHocItem{.name = "An hour", .unit_amount_minor = 9000, .currency = "eur"}}));
}

// As GetCheckout does for somebody who comes back from paying.
void InterleavingWorld::ReturnFromPayment(Chance& chance) {
  const std::string& entity = SomeEntity(chance);
  const std::string key = Value(
      "SELECT o.operation_key FROM billing.request_idempotency o WHERE o.entity_id = $1 AND o.action = 'checkout' "
      "ORDER BY o.created_at DESC LIMIT 1",
      {entity});
  if (!key.empty()) Note("return from payment", refresher_->Refresh(entity, key));
}

// The entity's subscription as the provider has it, as the reconciler has it projected.
void InterleavingWorld::ProjectFetched(Chance& chance) {
  const std::string id = Value(
      "SELECT s.provider_subscription_id FROM billing.subscriptions s WHERE s.entity_id = $1 "
      "ORDER BY s.is_current DESC, s.provider_subscription_id LIMIT 1",
      {SomeEntity(chance)});
  if (id.empty()) return;
  const auto fetched = provider_->Retrieve(provider::kSubscriptionKind, id, {.timeout = kLease / 2});
  if (fetched.outcome != provider::Outcome::kSuccess || !fetched.provider_date.has_value()) return;
  Note("project",
       projection_
           ->Project({{std::string(provider::kSubscriptionKind), fetched.object_json, *fetched.provider_date}},
                     "reconciler")
           .status());
}

void InterleavingWorld::OpenPortal(Chance& chance) {
  Write("portal", actions_.portal, SomeEntity(chance), SomeKey(chance),
        checkout::EncodeOrder(checkout::PortalOrder{"/back"}));
}

// An operation whose lease has ended, as the reconciler finds them.
void InterleavingWorld::Recover(Chance& chance) {
  const std::vector<std::string> found = Column(
      "SELECT o.action || ' ' || o.entity_id || ' ' || o.id FROM billing.request_idempotency o "
      "WHERE o.status = 'pending' AND o.lease_until <= billing.now() ORDER BY o.id");
  if (found.empty()) return;
  const std::string& row = found[chance() % found.size()];
  const size_t first = row.find(' '), second = row.find(' ', first + 1);
  const checkout::Action* const action = actions_.Find(row.substr(0, first));
  if (action == nullptr) return Note("recover", absl::InternalError("no action " + row));
  Note("recover",
       kernel_->Recover(*action, row.substr(first + 1, second - first - 1), row.substr(second + 1), "worker:test")
           .status());
}

void InterleavingWorld::Pay(Chance& chance) {
  const std::string session = Value(
      "SELECT s.provider_session_id FROM billing.checkout_sessions s WHERE s.entity_id = $1 AND s.status = 'open'",
      {SomeEntity(chance)});
  if (!session.empty()) Sim("POST", "sessions/" + session + "/pay", json::object());
}

void InterleavingWorld::ExpireAtProvider(Chance& chance) {
  const std::string session = Value(
      "SELECT s.provider_session_id FROM billing.checkout_sessions s WHERE s.entity_id = $1 AND s.status = 'open'",
      {SomeEntity(chance)});
  if (!session.empty()) Sim("POST", "sessions/" + session + "/expire");
}

// The next events, in any order, with some of those before them once more.
void InterleavingWorld::Deliver(Chance& chance) {
  FetchEvents();
  std::vector<webhook::Incoming> batch;
  {
    std::lock_guard lock(mutex_);
    const size_t again = std::min<size_t>(delivered_, chance() % kLookBack);
    const size_t end = std::min(events_.size(), delivered_ + 1 + chance() % kMostEvents);
    std::vector<std::string> bodies(events_.begin() + static_cast<std::ptrdiff_t>(delivered_ - again),
                                    events_.begin() + static_cast<std::ptrdiff_t>(end));
    delivered_ = end;
    std::shuffle(bodies.begin(), bodies.end(), chance);
    for (const std::string& body : bodies) batch.push_back(webhook::Parsed(body));
  }
  if (batch.empty()) return;
  for (const auto& result : webhook_->service.Apply(batch)) Note("event", result.status());
}

void InterleavingWorld::TakeUpEvents(Chance&) { webhook_->RunWorker(1); }

void InterleavingWorld::WorkOutbox(Chance&) { Note("outbox", outbox_->RunOnce().status()); }

void InterleavingWorld::PassLease(Chance&) {
  std::lock_guard lock(mutex_);
  offset_ += kLease;
  database_.SetClockOffset(offset_);
}

void InterleavingWorld::FetchEvents() {
  int64_t since;
  {
    std::lock_guard lock(mutex_);
    since = last_event_;
  }
  const json answer = Sim("GET", absl::StrCat("events?since=", since));
  std::lock_guard lock(mutex_);
  if (since != last_event_) return;  // another thread took these
  for (const json& event : answer.at("data")) events_.push_back(event.dump());
  last_event_ = answer.at("last_seq");
}

bool InterleavingWorld::Drain() {
  Sim("DELETE", "faults");
  Chance chance(1);
  for (int round = 0; round < kMaxDrainRounds; ++round) {
    FetchEvents();
    while (EventsWait()) Deliver(chance);
    if (!webhook_->RunWorker()) return false;
    Recover(chance);
    for (auto more = outbox_->RunOnce(); more.ok() && *more; more = outbox_->RunOnce()) {
    }
    if (Value("SELECT (SELECT count(*) FROM billing.request_idempotency o WHERE o.status = 'pending') + "
              "(SELECT count(*) FROM billing.outbox_jobs j WHERE j.status IN ('ready', 'leased'))") == "0" &&
        !EventsWait()) {
      return true;
    }
    PassLease(chance);
  }
  return false;
}

// Whether events wait that nobody delivered.
bool InterleavingWorld::EventsWait() {
  FetchEvents();
  std::lock_guard lock(mutex_);
  return delivered_ < events_.size();
}

void InterleavingWorld::Note(const std::string& step, const absl::Status& status) {
  const std::string code = status.ok() ? "ok" : CodeOf(ReasonOf(status));
  const auto metadata = MetadataOf(status);
  const auto state = metadata.find("sqlstate");
  std::lock_guard lock(mutex_);
  ++outcomes_[absl::StrCat(step, ": ", code, state == metadata.end() ? "" : " " + state->second)];
}

std::map<std::string, int> InterleavingWorld::outcomes() {
  std::lock_guard lock(mutex_);
  return outcomes_;
}

int64_t InterleavingWorld::Deadlocks() {
  // A backend reports its counts when it ends, at the latest.
  database_.TakeAway();
  database_.Restore();
  return std::stoll(Value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"));
}

std::string InterleavingWorld::Value(const char* sql, const std::vector<db::Param>& params) {
  std::lock_guard lock(mutex_);
  return database_.Value(sql, params);
}

std::vector<std::string> InterleavingWorld::Column(const char* sql, const std::vector<db::Param>& params) {
  std::lock_guard lock(mutex_);
  const db::Result rows = database_.Admin(sql, params);
  std::vector<std::string> values;
  for (int n = 0; n < rows.size(); ++n) values.push_back(rows[n].Text(0));
  return values;
}

// A refusal of the control API's (a session that is paid already) is no matter: threads race.
json InterleavingWorld::Sim(const std::string& method, const std::string& path, const json& body) {
  const http::ClientResponse response = simulator_.Send(method, "/_sim/" + path, body.is_null() ? "" : body.dump(),
                                                        {{"Content-Type", "application/json"}});
  return json::parse(response.body, nullptr, false);
}

}  // namespace billmesh::interleaving
