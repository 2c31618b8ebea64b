// The use cases of the entitlements daemon: answers from memory, kept true by the change feed. Knows nothing of gRPC.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "billing/entitlements/v1/entitlements.pb.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"
#include "services/entitlements/change_feed_reader.h"
#include "services/entitlements/database_time.h"
#include "services/entitlements/state_cache.h"
#include "services/entitlements/state_loader.h"
#include "services/entitlements/state_source.h"

namespace billmesh::entitlements {

inline constexpr int kMaxBatchChecks = 100;
inline constexpr int kMaxNotifiedChanges = 1000;

struct ServiceSettings {
  std::string env;
  absl::Duration grace = absl::Hours(72);
  absl::Duration max_staleness = absl::Minutes(15);
  size_t max_entities = 1'000'000;
  // Keys that are still answered from memory, marked stale, when the memory is older than max_staleness.
  std::set<std::string, std::less<>> fail_open_keys;
};

class EntitlementsService {
 public:
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    // Runs a task that may block on another thread; false, at once, when it can't take more. What runs it must outlive
    // the service.
    std::function<bool(std::function<void()>)> submit;
  };
  EntitlementsService(Deps deps, ServiceSettings settings);

  using Done = std::function<void(absl::Status)>;

  // Each answers on the calling thread when everything is in memory, else from another one. `response` must live until
  // `done` was called. deadline: monotonic time. INVALID_ARGUMENT, ENTITY_NOT_FOUND, REVISION_NOT_REACHED,
  // ENTITLEMENTS_UNAVAILABLE, OVERLOADED.
  void Check(const billing::entitlements::v1::CheckRequest& request, absl::Duration deadline,
             billing::entitlements::v1::CheckResponse& response, const Done& done);
  void BatchCheck(const billing::entitlements::v1::BatchCheckRequest& request, absl::Duration deadline,
                  billing::entitlements::v1::BatchCheckResponse& response, const Done& done);
  // Services and operators that name an entity by id are answered from memory; whoever else is resolved against the
  // database.
  void GetEntitlements(const auth::Caller& caller, const billing::entitlements::v1::GetEntitlementsRequest& request,
                       absl::Duration deadline, billing::entitlements::v1::GetEntitlementsResponse& response,
                       const Done& done);
  void GetLimitations(const auth::Caller& caller, const billing::entitlements::v1::GetLimitationsRequest& request,
                      absl::Duration deadline, billing::entitlements::v1::GetLimitationsResponse& response,
                      const Done& done);
  // Never blocks.
  absl::Status NotifyChanges(const billing::entitlements::v1::NotifyChangesRequest& request);

  // One pass over change feed, catalog revision and database time. True when there is more to do at once. Blocks; from
  // one thread.
  bool PollOnce();

  // ENT-8: with the database away the daemon is ready as long as its memory may be used.
  absl::Status Readiness(const absl::Status& database) const;

  size_t cached_entities() const { return cache_.size(); }

 private:
  // How far the memory may be trusted.
  struct Freshness {
    bool stale = true;    // the database is away: answers may be old
    bool expired = true;  // older than max_staleness
    bool reachable = false;
  };
  Freshness FreshnessAt(absl::Duration monotonic) const;
  absl::Status CheckOne(const State& state, std::string_view key,
                        billing::entitlements::v1::CheckResponse& response) const;
  void StartCheck(const billing::entitlements::v1::CheckRequest& request, absl::Duration deadline,
                  billing::entitlements::v1::CheckResponse& response, const Done& done);
  void WithState(const EntityKey& key, int64_t min_revision, absl::Duration deadline, StateCallback callback);
  void WithEntity(const auth::Caller& caller, const billing::types::v1::EntitySelector& selector,
                  absl::Duration deadline, const std::function<void(absl::StatusOr<EntityKey>)>& callback);
  template <typename Request, typename Response, typename Fill>
  void GetWhole(const auth::Caller& caller, const Request& request, absl::Duration deadline, Response& response,
                const Done& done, Fill fill);
  void PollFailed(const absl::Status& error);
  void PollSucceeded(const ChangeFeedReader::Pass& pass);
  void ApplyChanges(const ChangeFeedReader::Pass& pass);
  bool RefreshCatalog(const ChangeFeedReader::Pass& pass);
  bool AdvanceSweep();
  void PublishMetrics();

  const Deps deps_;
  const ServiceSettings settings_;
  DatabaseTime database_time_;
  StateCache cache_;
  DatabaseStateSource source_;
  StateLoader loader_;

  // Written by the polling thread, read by all.
  std::atomic<int64_t> last_poll_us_{-1};  // monotonic time of the last pass that succeeded; -1 before the first
  std::atomic<bool> failing_{false};       // the last pass failed

  // The polling thread's own.
  ChangeFeedReader reader_;
  size_t sweep_shard_ = StateCache::kShards;  // the next shard to load again; kShards: none
  int64_t swept_catalog_ = 0;                 // the catalog that everything in memory was last loaded again for
  absl::Duration last_retry_ = -absl::InfiniteDuration();
};

}  // namespace billmesh::entitlements
