#include "services/entitlements/entitlements_service.h"

#include <algorithm>
#include <utility>

#include "common/auth/entity_access.h"
#include "common/auth/method_policy.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;

// Without a successful pass for this long the answers say that they may be old, even if no pass has failed yet (one may
// hang).
constexpr absl::Duration kStaleAfter = absl::Seconds(1);
// Callers who demand a revision wait at most this long, and are told this much before their own deadline passes.
constexpr absl::Duration kMaxRevisionWait = absl::Seconds(5);
constexpr absl::Duration kAnswerMargin = absl::Milliseconds(25);
constexpr size_t kMaxKeyBytes = 128;

absl::Status Invalid(const char* field, const char* message) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, message, {{"field", field}});
}

absl::Status Unavailable(const char* message) { return Fail(Reason::FAILURE_REASON_ENTITLEMENTS_UNAVAILABLE, message); }

// What a failed load is to a caller.
absl::Status AsAnswer(const absl::Status& load) {
  if (ReasonOf(load) == Reason::FAILURE_REASON_DATABASE_UNAVAILABLE) return Unavailable("the state can't be loaded");
  return load;
}

telemetry::Counter& Hits() {
  static telemetry::Counter& counter =
      telemetry::GetCounter("billmesh_entitlements_cache_hits_total", "Answers whose state was in memory");
  return counter;
}

telemetry::Counter& Misses() {
  static telemetry::Counter& counter = telemetry::GetCounter("billmesh_entitlements_cache_misses_total",
                                                             "Answers whose state had to be loaded or waited for");
  return counter;
}

}  // namespace

EntitlementsService::EntitlementsService(Deps deps, ServiceSettings settings)
    : deps_(std::move(deps)),
      settings_(std::move(settings)),
      cache_(settings_.max_entities),
      source_(deps_.pool, deps_.ids, settings_.env, settings_.grace),
      loader_(StateLoader::Deps{deps_.clock, cache_, source_, deps_.submit}),
      reader_(deps_.pool, deps_.clock) {}

EntitlementsService::Freshness EntitlementsService::FreshnessAt(absl::Duration monotonic) const {
  const int64_t last = last_poll_us_.load(std::memory_order_relaxed);
  if (last < 0) return Freshness{};
  const absl::Duration age = monotonic - absl::Microseconds(last);
  Freshness fresh;
  fresh.reachable = !failing_.load(std::memory_order_relaxed);
  fresh.stale = !fresh.reachable || age > kStaleAfter;
  fresh.expired = age > settings_.max_staleness;
  return fresh;
}

absl::Status EntitlementsService::CheckOne(const State& state, std::string_view key,
                                           pb::CheckResponse& response) const {
  const absl::Duration monotonic = deps_.clock.Monotonic();
  const Freshness fresh = FreshnessAt(monotonic);
  if (fresh.expired && settings_.fail_open_keys.find(key) == settings_.fail_open_keys.end()) {
    return Unavailable("the database is away for longer than answers may be old");
  }
  FillCheck(state, key, database_time_.At(monotonic), fresh.stale, response);
  return absl::OkStatus();
}

void EntitlementsService::WithState(const EntityKey& key, int64_t min_revision, absl::Duration deadline,
                                    StateCallback callback) {
  if (std::shared_ptr<const State> state = cache_.Get(key); state != nullptr && state->revision >= min_revision) {
    Hits().Add();
    callback(std::move(state));
    return;
  }
  Misses().Add();
  const absl::Duration now = deps_.clock.Monotonic();
  // While the database is known to be away nobody has to wait for a load to fail.
  if (!FreshnessAt(now).reachable) {
    callback(Unavailable("the state isn't in memory and the database is away"));
    return;
  }
  loader_.Get(key, min_revision, std::min(deadline - kAnswerMargin, now + kMaxRevisionWait),
              [callback = std::move(callback)](absl::StatusOr<std::shared_ptr<const State>> state) {
                if (!state.ok()) state = AsAnswer(state.status());
                callback(std::move(state));
              });
}

void EntitlementsService::StartCheck(const pb::CheckRequest& request, absl::Duration deadline,
                                     pb::CheckResponse& response, const Done& done) {
  const std::optional<EntityKey> entity = EntityKey::Parse(request.entity_id());
  if (!entity.has_value()) return done(Invalid("entity_id", "entity_id must be a UUID"));
  if (request.key().empty() || request.key().size() > kMaxKeyBytes) {
    return done(Invalid("key", "key must have 1 to 128 bytes"));
  }
  if (request.min_revision() < 0) return done(Invalid("min_revision", "min_revision must not be negative"));
  if (const std::shared_ptr<const State> state = cache_.Get(*entity);
      state != nullptr && state->revision >= request.min_revision()) {
    Hits().Add();
    return done(CheckOne(*state, request.key(), response));
  }
  // The request lives until `done` was called, like the response.
  WithState(*entity, request.min_revision(), deadline,
            [this, &request, &response, done](const absl::StatusOr<std::shared_ptr<const State>>& state) {
              done(state.ok() ? CheckOne(**state, request.key(), response) : state.status());
            });
}

void EntitlementsService::Check(const pb::CheckRequest& request, absl::Duration deadline, pb::CheckResponse& response,
                                const Done& done) {
  StartCheck(request, deadline, response, done);
}

void EntitlementsService::BatchCheck(const pb::BatchCheckRequest& request, absl::Duration deadline,
                                     pb::BatchCheckResponse& response, const Done& done) {
  const int count = request.checks_size();
  if (count < 1 || count > kMaxBatchChecks) return done(Invalid("checks", "a batch has 1 to 100 checks"));
  // All places first: results are filled from several threads, each its own.
  for (int i = 0; i < count; ++i) response.add_results();
  auto open = std::make_shared<std::atomic<int>>(count);
  for (int i = 0; i < count; ++i) {
    pb::BatchCheckResult& result = *response.mutable_results(i);
    StartCheck(request.checks(i), deadline, *result.mutable_check(), [&result, open, done](const absl::Status& status) {
      if (!status.ok()) {
        result.clear_check();
        result.set_failure_code(CodeOf(ReasonOf(status)));
      }
      if (open->fetch_sub(1) == 1) done(absl::OkStatus());
    });
  }
}

void EntitlementsService::WithEntity(const auth::Caller& caller, const billing::types::v1::EntitySelector& selector,
                                     absl::Duration deadline,
                                     const std::function<void(absl::StatusOr<EntityKey>)>& callback) {
  if (!caller.user.has_value() && !selector.entity_id().empty() && selector.workspace().empty()) {
    const std::optional<EntityKey> key = EntityKey::Parse(selector.entity_id());
    if (!key.has_value()) return callback(Invalid("entity.entity_id", "entity_id must be a UUID"));
    return callback(*key);
  }
  const bool taken = deps_.submit([this, caller, selector, deadline, callback] {
    if (deps_.clock.Monotonic() >= deadline) {
      return callback(Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the deadline passed before the call was begun"));
    }
    const absl::StatusOr<auth::ResolvedEntity> resolved = db::RunInTransaction(
        deps_.pool, db::Scope::System("entitlements.resolve"),
        [&](db::Tx& tx) { return auth::ResolveEntity(tx, settings_.env, caller, selector, auth::kBillingRead); });
    if (!resolved.ok()) return callback(resolved.status());
    callback(*EntityKey::Parse(resolved->entity_id));
  });
  if (!taken) callback(Fail(Reason::FAILURE_REASON_OVERLOADED, "too many calls are waiting"));
}

template <typename Request, typename Response, typename Fill>
void EntitlementsService::GetWhole(const auth::Caller& caller, const Request& request, absl::Duration deadline,
                                   Response& response, const Done& done, Fill fill) {
  if (request.min_revision() < 0) return done(Invalid("min_revision", "min_revision must not be negative"));
  const int64_t min_revision = request.min_revision();
  WithEntity(caller, request.entity(), deadline,
             [this, min_revision, deadline, &response, done, fill](const absl::StatusOr<EntityKey>& key) {
               if (!key.ok()) return done(key.status());
               WithState(*key, min_revision, deadline,
                         [this, &response, done, fill](const absl::StatusOr<std::shared_ptr<const State>>& state) {
                           if (!state.ok()) return done(state.status());
                           const absl::Duration monotonic = deps_.clock.Monotonic();
                           const Freshness fresh = FreshnessAt(monotonic);
                           if (fresh.expired) {
                             return done(Unavailable("the database is away for longer than answers may be old"));
                           }
                           fill(**state, database_time_.At(monotonic), fresh.stale, response);
                           done(absl::OkStatus());
                         });
             });
}

void EntitlementsService::GetEntitlements(const auth::Caller& caller, const pb::GetEntitlementsRequest& request,
                                          absl::Duration deadline, pb::GetEntitlementsResponse& response,
                                          const Done& done) {
  GetWhole(caller, request, deadline, response, done, FillEntitlements);
}

void EntitlementsService::GetLimitations(const auth::Caller& caller, const pb::GetLimitationsRequest& request,
                                         absl::Duration deadline, pb::GetLimitationsResponse& response,
                                         const Done& done) {
  GetWhole(caller, request, deadline, response, done, FillLimitations);
}

absl::Status EntitlementsService::NotifyChanges(const pb::NotifyChangesRequest& request) {
  if (request.changes_size() > kMaxNotifiedChanges) return Invalid("changes", "at most 1,000 changes");
  for (const pb::EntityRevision& change : request.changes()) {
    const std::optional<EntityKey> key = EntityKey::Parse(change.entity_id());
    if (!key.has_value()) return Invalid("changes.entity_id", "entity_id must be a UUID");
    loader_.Require(*key, change.revision());
  }
  loader_.Kick();
  return absl::OkStatus();
}

absl::Status EntitlementsService::Readiness(const absl::Status& database) const {
  const absl::Duration now = deps_.clock.Monotonic();
  if (last_poll_us_.load(std::memory_order_relaxed) < 0) {
    return database.ok() ? absl::UnavailableError("the change feed was not read yet") : database;
  }
  const bool expired = FreshnessAt(now).expired;
  if (database.ok()) return expired ? absl::UnavailableError("the change feed can't be read") : database;
  // A schema of another version or a wrong clock is no absence, and memory doesn't excuse it.
  const Reason reason = ReasonOf(database);
  const bool away =
      reason == Reason::FAILURE_REASON_DATABASE_UNAVAILABLE || reason == Reason::FAILURE_REASON_OVERLOADED;
  return away && !expired ? absl::OkStatus() : database;
}

}  // namespace billmesh::entitlements
