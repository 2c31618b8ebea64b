// What the webhook tests share: a database, the service as the daemon wires it (one or more replicas), and events in
// Stripe's JSON.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/stripe/event_reader.h"
#include "common/stripe/event_source.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/webhook/event_worker.h"
#include "services/webhook/webhook_service.h"

namespace billmesh::webhook {

using nlohmann::json;

inline constexpr int64_t kEpoch = 1'790'000'000;  // the provider's time zero

class RecordingNotifier : public ChangeNotifier {
 public:
  void Notify(const std::vector<EntityChange>& changes) override {
    std::lock_guard lock(mutex_);
    changes_.insert(changes_.end(), changes.begin(), changes.end());
  }
  void WakeWorker(Lane lane) override { (lane == Lane::kSetAside ? woken_for_set_aside_ : woken_) = true; }
  // Whether the lane's worker was woken since it was asked last.
  bool TakeWoken(Lane lane = Lane::kOthers) {
    return (lane == Lane::kSetAside ? woken_for_set_aside_ : woken_).exchange(false);
  }
  std::vector<EntityChange> Take() {
    std::lock_guard lock(mutex_);
    return std::move(changes_);
  }

 private:
  std::mutex mutex_;
  std::vector<EntityChange> changes_;  // guarded by mutex_
  std::atomic<bool> woken_ = false, woken_for_set_aside_ = false;
};

inline BatchSettings DefaultSettings() {
  return {"test", "stripe", false, {absl::Seconds(10), absl::Hours(1)}, /*max_attempts=*/3};
}

// The provider as far as fetching goes: what it has, or that it doesn't say.
class FakeProvider : public provider::PaymentProvider {
 public:
  // `at`: the Date of its answers, seconds after kEpoch.
  void Has(const std::string& kind, const std::string& id, json object, int64_t at) {
    std::lock_guard lock(mutex_);
    answers_[kind + " " + id] = {.outcome = provider::Outcome::kSuccess,
                                 .http_status = 200,
                                 .object_json = object.dump(),
                                 .provider_date = absl::FromUnixSeconds(kEpoch + at)};
  }
  void HasNot(const std::string& kind, const std::string& id) {
    std::lock_guard lock(mutex_);
    answers_[kind + " " + id] = {.outcome = provider::Outcome::kRejected, .http_status = 404, .not_found = true};
  }
  int calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }
  // Called during each retrieve, for what happens meanwhile.
  std::function<void()> meanwhile;

  provider::CallResult Retrieve(std::string_view kind, std::string_view id, const provider::CallOptions&) override {
    if (meanwhile) meanwhile();
    std::lock_guard lock(mutex_);
    ++calls_;
    const auto at = answers_.find(std::string(kind) + " " + std::string(id));
    return at == answers_.end() ? provider::CallResult{.outcome = provider::Outcome::kUnknown, .http_status = 503}
                                : at->second;
  }
  absl::StatusOr<provider::Provenance> GetProvenance() override { return absl::UnimplementedError("not asked for"); }
  provider::CallResult Send(const provider::FrozenCall&, const provider::CallOptions&) override { return {}; }
  provider::CallResult List(std::string_view, const provider::ListQuery&, const provider::CallOptions&) override {
    return {};
  }
  provider::CallResult ExpireCheckoutSession(std::string_view, std::string_view,
                                             const provider::CallOptions&) override {
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, provider::CallResult> answers_;  // by "kind id"; guarded by mutex_
  int calls_ = 0;                                        // guarded by mutex_
};

// One process of the daemon, as far as the database sees it.
struct Replica {
  Replica(testing::TestDatabase& database, const std::string& name, BatchSettings settings = DefaultSettings())
      : ids(database.clock()),
        pool({.url = database.Url("webhook"), .daemon = "webhook", .prepare_statements = true}, database.clock(), ids),
        suspects(database.clock()),
        service({.pool = pool, .ids = ids, .notifier = notifier, .suspects = suspects}, settings),
        fetcher({.provider = provider, .source = source, .clock = database.clock()}),
        worker({.pool = pool,
                .clock = database.clock(),
                .service = service,
                .suspects = suspects,
                .source = source,
                .fetcher = fetcher},
               {.env = settings.env, .owner = name, .livemode = settings.livemode}) {}

  // Due events of both lanes, again and again until none is left, at most so many passes; not their later attempts.
  // Whether it came to an end.
  bool RunWorker(int max_passes = 1'000) {
    for (int pass = 0; pass < max_passes; ++pass) {
      const bool more = worker.RunOnce();
      if (!worker.RunOnce(Lane::kSetAside) && !more) return true;
    }
    return false;
  }

  SystemIdGenerator ids;
  db::Pool pool;
  RecordingNotifier notifier;
  Suspects suspects;
  WebhookService service;
  std::unique_ptr<stripe::SignatureVerifier> verifier = *stripe::SignatureVerifier::Create({"whsec_test"});
  stripe::StripeEventSource source{*verifier};
  FakeProvider provider;
  EventFetcher fetcher;
  EventWorker worker;
};

inline Incoming Parsed(const std::string& body) {
  auto event = stripe::ReadEvent(body);
  EXPECT_TRUE(event.ok()) << event.status() << "\n" << body;
  return {event.ok() ? *event : provider::Event(), body, std::nullopt};
}

// --- Events and objects in Stripe's words ---

inline json Event(const std::string& id, const std::string& type, int64_t at, json object) {
  return {{"id", id},
          {"object", "event"},
          {"api_version", "2026-10-28.endive"},
          {"created", kEpoch + at},
          {"livemode", false},
          {"type", type},
          {"request", {{"id", "req_1"}, {"idempotency_key", nullptr}}},
          {"data", {{"object", std::move(object)}}}};
}

inline json Subscription(const std::string& id, const std::string& customer, const std::string& status,
                         int64_t created = 0, json metadata = json::object()) {
  const json item = {{"id", "si_of_" + id},
                     {"price", {{"id", "price_pro"}, {"object", "price"}}},
                     {"quantity", 2},
                     {"current_period_start", kEpoch},
                     {"current_period_end", kEpoch + 2592000}};
  return {{"id", id},
          {"object", "subscription"},
          {"customer", customer},
          {"status", status},
          {"created", kEpoch + created},
          {"livemode", false},
          {"cancel_at_period_end", false},
          {"latest_invoice", "in_of_" + id},
          {"metadata", std::move(metadata)},
          {"items", {{"object", "list"}, {"has_more", false}, {"data", json::array({item})}}}};
}

inline json Session(const std::string& id, const std::string& customer, const std::string& status,
                    const std::string& subscription, const std::string& operation_key,
                    const std::string& payment_status = "paid") {
  json session = {{"id", id},          {"object", "checkout.session"},     {"mode", "subscription"},
                  {"status", status},  {"payment_status", payment_status}, {"customer", customer},
                  {"created", kEpoch}, {"expires_at", kEpoch + 86400},     {"livemode", false},
                  {"url", nullptr},    {"metadata", json::object()}};
  session["subscription"] = subscription.empty() ? json(nullptr) : json(subscription);
  if (!operation_key.empty()) session["metadata"]["billmesh_operation_key"] = operation_key;
  return session;
}

inline json Invoice(const std::string& id, const std::string& customer, const std::string& status,
                    const std::string& subscription) {
  json invoice = {{"id", id},
                  {"object", "invoice"},
                  {"customer", customer},
                  {"status", status},
                  {"currency", "eur"},
                  {"total", 1900},
                  {"amount_due", 1900},
                  {"amount_paid", status == "paid" ? 1900 : 0},
                  {"amount_remaining", status == "paid" ? 0 : 1900},
                  {"attempt_count", 1},
                  {"billing_reason", "subscription_create"},
                  {"created", kEpoch},
                  {"livemode", false}};
  if (!subscription.empty()) {
    invoice["parent"] = {{"type", "subscription_details"}, {"subscription_details", {{"subscription", subscription}}}};
  }
  return invoice;
}

// A database with one workspace, linked to cus_1.
class WebhookTest : public ::testing::Test {
 protected:
  WebhookTest() {
    entity_ = database_.AddWorkspace("acme");
    database_.LinkCustomer(entity_, "cus_1");
  }

  static std::string Verdict(const absl::StatusOr<EventResult>& result) {
    if (!result.ok()) return CodeOf(ReasonOf(result.status()));
    std::string verdict = std::string(NameOf(result->disposition));
    if (!result->reason.empty()) absl::StrAppend(&verdict, " ", result->reason);
    return result->duplicate ? "duplicate " + verdict : verdict;
  }
  std::string Deliver(const json& event) { return Deliver(event, replica_); }
  static std::string Deliver(const json& event, Replica& replica) {
    return Verdict(replica.service.Apply({Parsed(event.dump())})[0]);
  }
  // One transaction's worth.
  std::vector<std::string> DeliverBatch(const std::vector<json>& events) {
    std::vector<Incoming> batch;
    for (const json& event : events) batch.push_back(Parsed(event.dump()));
    std::vector<std::string> verdicts;
    for (const auto& result : replica_.service.Apply(batch)) verdicts.push_back(Verdict(result));
    return verdicts;
  }

  std::string Value(const char* sql, const std::vector<db::Param>& params = {}) { return database_.Value(sql, params); }
  int64_t Revision(const std::string& entity) {
    return std::stoll(Value("SELECT revision::text FROM billing.entities WHERE id = $1", {entity}));
  }
  std::string EventStatus(const std::string& id) {
    return Value(
        "SELECT status || coalesce(' ' || status_reason, '') FROM billing.webhook_events WHERE provider_event_id = $1",
        {id});
  }
  std::string AuditCount(const std::string& action) {
    return Value("SELECT count(*)::text FROM billing.audit_log WHERE action = $1", {action});
  }
  std::string SessionStatusOf(const std::string& operation_key) {
    return Value("SELECT status FROM billing.checkout_sessions WHERE operation_key = $1", {operation_key});
  }

  // What checkout's Tx A leaves behind; with a session, also what Tx B does.
  void AddOperation(const std::string& key, const std::string& entity, const std::string& status = "pending") {
    database_.Admin(R"sql(
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, status, provider, plan_code, plan_version, completed_at, failure_code)
      VALUES ($1, 'test', $2, 'checkout', $3, '', '', $3, 'user:x', $4, 'stripe', 'pro', 1,
        CASE WHEN $4 <> 'pending' THEN billing.now() END, CASE WHEN $4 <> 'pending' THEN 'x' END)
    )sql",
                    {database_.ids().NewId(), entity, key, status});
  }
  void AddSession(const std::string& key, const std::string& session_id, const std::string& entity,
                  const std::string& status) {
    database_.Admin(R"sql(
      INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_id, operation_key, provider, provider_session_id,
        status, expires_at, ended_at)
      VALUES ($1, 'test', $2, (SELECT id FROM billing.request_idempotency WHERE operation_key = $3), $3, 'stripe', $4, $5,
        billing.now() + interval '1 day', CASE WHEN $5 IN ('expired', 'abandoned') THEN billing.now() END)
    )sql",
                    {database_.ids().NewId(), entity, key,
                     session_id.empty() ? std::nullopt : std::optional<std::string>(session_id), status});
  }

  testing::TestDatabase database_;
  Replica replica_{database_, "replica-1"};
  std::string entity_;
};

}  // namespace billmesh::webhook
