#include "services/entitlements/state_source.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "common/catalog/catalog_store.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/entitlements/entitlement_store.h"

namespace billmesh::entitlements {
namespace {

telemetry::Counter& Changes() {
  static telemetry::Counter& counter =
      telemetry::GetCounter("billmesh_entitlements_changes_total", "Stored entitlement states whose content changed");
  return counter;
}

telemetry::Counter& StoreFailures() {
  static telemetry::Counter& counter =
      telemetry::GetCounter("billmesh_entitlements_store_failures_total", "Batches of states that could not be stored");
  return counter;
}

void WarnOfUnmapped(const EntityInputs& inputs, const Computed& computed) {
  static telemetry::Counter& counter = telemetry::GetCounter(
      "billmesh_entitlements_unmapped_prices_total", "Prices of current subscriptions that no plan of the catalog has");
  if (computed.unmapped_prices.empty()) return;
  counter.Add(static_cast<double>(computed.unmapped_prices.size()));
  telemetry::Warn("a subscription holds prices that no plan has",
                  {{"entity_id", inputs.entity_id}, {"prices", absl::StrJoin(computed.unmapped_prices, ",")}});
}

NewAnswer AnswerOf(const EntityInputs& inputs, const Computed& computed, const State& state) {
  const Segment& present = computed.segments[SegmentIndexAt(computed.segments, state.updated_at)];
  NewAnswer answer;
  answer.entity_id = inputs.entity_id;
  answer.revision = state.revision;
  answer.catalog_revision = state.catalog_revision;
  answer.plan_code = present.plan_code;
  answer.status = present.status;
  answer.current_period_end = computed.current_period_end;
  answer.comped = computed.comped;
  answer.segments_json = CanonicalSegments(computed.segments);
  answer.updated_at = state.updated_at;
  return answer;
}

}  // namespace

std::shared_ptr<const catalog::Catalog> DatabaseStateSource::CurrentCatalog() const {
  std::lock_guard lock(mutex_);
  return catalog_;
}

int64_t DatabaseStateSource::catalog_revision() const {
  const auto catalog = CurrentCatalog();
  return catalog == nullptr ? 0 : catalog->revision();
}

absl::StatusOr<std::shared_ptr<const catalog::Catalog>> DatabaseStateSource::CatalogAtLeast(db::Tx& tx,
                                                                                            int64_t revision) {
  if (auto catalog = CurrentCatalog(); catalog != nullptr && catalog->revision() >= revision) return catalog;
  ASSIGN_OR_RETURN(catalog::Catalog loaded, catalog::LoadCatalog(tx));
  auto fresh = std::make_shared<const catalog::Catalog>(std::move(loaded));
  std::lock_guard lock(mutex_);
  if (catalog_ == nullptr || catalog_->revision() < fresh->revision()) catalog_ = fresh;
  return catalog_;
}

absl::Status DatabaseStateSource::ReloadCatalog() {
  return pool_.Run(db::Scope::System("entitlements.catalog"), [&](db::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t revision, catalog::ReadCatalogRevision(tx));
    return CatalogAtLeast(tx, revision).status();
  });
}

void DatabaseStateSource::ForgetCatalog() {
  std::lock_guard lock(mutex_);
  catalog_ = nullptr;
}

absl::StatusOr<StateSource::Batch> DatabaseStateSource::Load(const std::vector<EntityKey>& keys) {
  std::vector<std::string> entity_ids;
  entity_ids.reserve(keys.size());
  for (const EntityKey& key : keys) entity_ids.push_back(key.ToString());
  LoadedBatch loaded;
  std::shared_ptr<const catalog::Catalog> catalog;
  RETURN_IF_ERROR(pool_.Run(db::Scope::System("entitlements.load"), [&](db::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(loaded, LoadInputs(tx, env_, entity_ids));
    ASSIGN_OR_RETURN(catalog, CatalogAtLeast(tx, loaded.catalog_revision));
    return absl::OkStatus();
  }));
  Batch batch;
  auto answers = std::make_shared<std::vector<NewAnswer>>();
  for (const LoadedInputs& entity : loaded.entities) {
    const Computed computed = Compute(entity.inputs, *catalog, RuleSettings{grace_});
    WarnOfUnmapped(entity.inputs, computed);
    const auto version = std::make_pair(entity.inputs.revision, catalog->revision());
    const auto stored = entity.stored.has_value()
                            ? std::make_pair(entity.stored->revision, entity.stored->catalog_revision)
                            : std::make_pair(int64_t{0}, int64_t{0});
    const absl::Time updated_at = stored == version ? entity.stored->updated_at : loaded.now;
    batch.states.push_back(MakeState(*EntityKey::Parse(entity.inputs.entity_id), version.first, version.second,
                                     updated_at, computed, interner_));
    if (stored < version) answers->push_back(AnswerOf(entity.inputs, computed, *batch.states.back()));
  }
  if (answers->empty()) return batch;
  batch.store = [this, answers]() -> absl::Status {
    absl::StatusOr<int> changed = 0;
    const absl::Status status = pool_.Run(db::Scope::System("entitlements.store"), [&](db::Tx& tx) {
      changed = StoreAnswers(tx, ids_, env_, *answers);
      return changed.status();
    });
    if (!status.ok()) {
      StoreFailures().Add();
      return status;
    }
    Changes().Add(*changed);
    return absl::OkStatus();
  };
  return batch;
}

}  // namespace billmesh::entitlements
