// Where states come from: computed from the database's rows and the catalog, and stored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/catalog/plan.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/entitlements/entitlement_state.h"
#include "services/entitlements/entity_key.h"

namespace billmesh::entitlements {

class StateSource {
 public:
  virtual ~StateSource() = default;
  struct Batch {
    // Of the entities that exist.
    std::vector<std::shared_ptr<const State>> states;
    // Writes what is newer than the stored answers; to be called after the states are in use, so that nobody waits for
    // it. Empty when there is nothing to write.
    std::function<absl::Status()> store;
  };
  // The present states of these entities. Blocks; thread safe.
  virtual absl::StatusOr<Batch> Load(const std::vector<EntityKey>& keys) = 0;
};

class DatabaseStateSource : public StateSource {
 public:
  // Pool and ids must outlive the source.
  DatabaseStateSource(db::Pool& pool, IdGenerator& ids, std::string env, absl::Duration grace)
      : pool_(pool), ids_(ids), env_(std::move(env)), grace_(grace) {}

  absl::StatusOr<Batch> Load(const std::vector<EntityKey>& keys) override;

  // The catalog in use; 0 before the first load.
  int64_t catalog_revision() const;
  // Loads the catalog anew. Blocks; thread safe.
  absl::Status ReloadCatalog();
  // After the database went back in time: its revisions begin again.
  void ForgetCatalog();

 private:
  std::shared_ptr<const catalog::Catalog> CurrentCatalog() const;
  absl::StatusOr<std::shared_ptr<const catalog::Catalog>> CatalogAtLeast(db::Tx& tx, int64_t revision);

  db::Pool& pool_;
  IdGenerator& ids_;
  const std::string env_;
  const absl::Duration grace_;
  AnswerSetInterner interner_;
  mutable std::mutex mutex_;
  std::shared_ptr<const catalog::Catalog> catalog_;  // guarded by mutex_
};

}  // namespace billmesh::entitlements
