// The half of EntitlementsService that keeps the memory true: one pass over feed, catalog and time.
#include <utility>

#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/entitlements/entitlements_service.h"

namespace billmesh::entitlements {
namespace {

// What could not be loaded or stored is tried again this often while the database answers.
constexpr absl::Duration kRetryPeriod = absl::Seconds(1);
// A sweep over everything pauses while this many entities wait for their load.
constexpr size_t kMaxSweepQueue = 2000;

telemetry::Histogram& FeedLag() {
  static telemetry::Histogram& histogram =
      telemetry::GetHistogram("billmesh_entitlements_feed_lag_seconds",
                              "Age of a change when the feed's reader saw it, by the database's clock");
  return histogram;
}

}  // namespace

bool EntitlementsService::PollOnce() {
  const absl::StatusOr<ChangeFeedReader::Pass> pass = reader_.Run();
  if (!pass.ok()) {
    PollFailed(pass.status());
    PublishMetrics();
    return false;
  }
  ApplyChanges(*pass);
  if (RefreshCatalog(*pass)) PollSucceeded(*pass);
  loader_.Kick();
  const bool sweeping = AdvanceSweep();
  PublishMetrics();
  return pass->step.more || sweeping;
}

void EntitlementsService::PollFailed(const absl::Status& error) {
  if (failing_.exchange(true)) return;
  telemetry::Warn("the change feed can't be read; answers from memory are marked stale",
                  {{"error", std::string(error.message())}});
}

void EntitlementsService::PollSucceeded(const ChangeFeedReader::Pass& pass) {
  database_time_.Observe(pass.database_now, pass.monotonic);
  const int64_t last = last_poll_us_.exchange(absl::ToInt64Microseconds(pass.monotonic));
  const bool recovered = failing_.exchange(false);
  if (recovered) telemetry::Info("the change feed is read again");
  // After an absence this long rows of the feed may have been cleared away unread.
  if (last >= 0 && pass.monotonic - absl::Microseconds(last) > settings_.max_staleness) sweep_shard_ = 0;
  if (recovered || pass.monotonic - last_retry_ > kRetryPeriod) {
    last_retry_ = pass.monotonic;
    loader_.RetryDeferred();
  }
}

void EntitlementsService::ApplyChanges(const ChangeFeedReader::Pass& pass) {
  if (pass.step.reset) {
    telemetry::Warn("the change feed went back; everything in memory is dropped");
    cache_.Clear();
    source_.ForgetCatalog();
    swept_catalog_ = 0;
  }
  for (const FeedRow& row : pass.step.fresh) {
    FeedLag().Observe(absl::ToDoubleSeconds(pass.database_now - row.created_at));
    if (const std::optional<EntityKey> key = EntityKey::Parse(row.entity_id)) loader_.Require(*key, row.revision);
  }
  if (pass.step.reload_all) sweep_shard_ = 0;
}

// False when the catalog is another one and can't be read.
bool EntitlementsService::RefreshCatalog(const ChangeFeedReader::Pass& pass) {
  if (source_.catalog_revision() < pass.catalog_revision) {
    if (const absl::Status loaded = source_.ReloadCatalog(); !loaded.ok()) {
      PollFailed(loaded);
      return false;
    }
  }
  // A load may have met the new catalog before this pass did: what counts is what the memory was last swept for.
  if (const int64_t revision = source_.catalog_revision(); revision != swept_catalog_) {
    telemetry::Info("catalog loaded", {{"revision", std::to_string(revision)}});
    swept_catalog_ = revision;
    sweep_shard_ = 0;
  }
  return true;
}

// Loads everything in memory again, a shard at a time. True while there is more and room for it.
bool EntitlementsService::AdvanceSweep() {
  if (sweep_shard_ >= StateCache::kShards || loader_.queued() > kMaxSweepQueue) return false;
  loader_.Refresh(cache_.KeysOfShard(sweep_shard_++));
  loader_.Kick();
  return sweep_shard_ < StateCache::kShards;
}

void EntitlementsService::PublishMetrics() {
  static telemetry::Gauge& entities =
      telemetry::GetGauge("billmesh_entitlements_cache_entities", "Entities whose state is in memory");
  static telemetry::Gauge& gaps =
      telemetry::GetGauge("billmesh_entitlements_feed_gaps", "Ranges of feed numbers that are still to be filled");
  static telemetry::Gauge& queued =
      telemetry::GetGauge("billmesh_entitlements_loads_queued", "Entities that wait for their load");
  static telemetry::Gauge& staleness =
      telemetry::GetGauge("billmesh_entitlements_staleness_seconds", "Time since the change feed was last read");
  entities.Set(static_cast<double>(cache_.size()));
  gaps.Set(static_cast<double>(reader_.gaps()));
  queued.Set(static_cast<double>(loader_.queued()));
  const int64_t last = last_poll_us_.load(std::memory_order_relaxed);
  if (last >= 0) staleness.Set(absl::ToDoubleSeconds(deps_.clock.Monotonic() - absl::Microseconds(last)));
}

}  // namespace billmesh::entitlements
