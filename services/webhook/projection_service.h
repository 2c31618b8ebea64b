// The use case of fetched objects (REC-3): what checkout and the reconciler fetched from the provider goes into the
// projection by the rules and the writes of events. No event is stored for it; its version is the Date of the
// provider's answer (WHK-5).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/event_source.h"
#include "services/webhook/change_notifier.h"
#include "services/webhook/event_batch.h"
#include "services/webhook/projection_outcome.h"

namespace billmesh::webhook {

struct FetchedObject {
  std::string kind;  // one that OwnerOfKind knows
  std::string object_json;
  absl::Time provider_date;  // of the provider's answer
};

// What became of one.
struct ProjectedObject {
  ProjectionOutcome outcome = ProjectionOutcome::kRefused;
  std::string reason;     // of a refused one: fixed words, no values
  std::string entity_id;  // empty unless it is bound
  int64_t revision = 0;   // of the entity, afterwards
};

// Thread safe.
class ProjectionService {
 public:
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    ChangeNotifier& notifier;
    const provider::EventSource& source;
  };
  ProjectionService(const Deps& deps, BatchSettings settings) : deps_(deps), settings_(std::move(settings)) {}

  // Projects the objects in one transaction, in their order; the results are in their order too. What can't be read,
  // bound or applied is a result and doesn't hold up the others: where the database refuses what an object would write,
  // each runs in a transaction of its own. `requested_by` is the caller's certificate name, for the audit log. Errors
  // are faults (database_unavailable, commit_in_doubt, transaction_conflict, overloaded): doing the same again is
  // right, since an object that is projected already changes nothing. Blocks.
  absl::StatusOr<std::vector<ProjectedObject>> Project(const std::vector<FetchedObject>& objects,
                                                       const std::string& requested_by);

 private:
  // An object on its way through.
  struct Work {
    const FetchedObject* fetched;
    Owner owner = Owner::kNone;
    ProviderObject object = {};
    ObjectResult result = {};
    int64_t revision = 0;
  };
  // What a transaction did, to be told after its commit.
  struct Told {
    std::vector<EntityChange> changes;
    std::vector<Duplicate> duplicates;
    bool has_due = false;
  };

  Work Read(const FetchedObject& fetched) const;
  absl::Status ProjectAll(std::vector<Work*> works, const std::string& requested_by);
  absl::StatusOr<Told> Transact(const std::vector<Work*>& works, const std::string& requested_by);
  absl::StatusOr<Told> RunIn(db::Tx& tx, const std::vector<Work*>& works, const std::string& requested_by);
  absl::Status WriteAudit(db::Tx& tx, const std::vector<Work*>& works, const std::string& requested_by);

  const Deps deps_;
  const BatchSettings settings_;
};

}  // namespace billmesh::webhook
