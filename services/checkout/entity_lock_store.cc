#include "services/checkout/entity_lock_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<LockedEntity> LockAndReadEntity(db::Tx& tx, std::string_view entity_id, std::string_view env) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT e.id, e.env, e.kind, e.display_name, e.closed_at IS NOT NULL
    FROM billing.entities e
    WHERE e.id = $1
    FOR NO KEY UPDATE
  )sql",
                                                  {entity_id}));
  if (rows.empty()) return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  LockedEntity entity{rows[0].Text(0), rows[0].Text(1), rows[0].Text(2), rows[0].Text(3), rows[0].Bool(4)};
  if (entity.env != env) {
    return Fail(Reason::FAILURE_REASON_ENVIRONMENT_MISMATCH, "the entity belongs to another billing environment",
                {{"env", entity.env}});
  }
  return entity;
}

}  // namespace billmesh::checkout
