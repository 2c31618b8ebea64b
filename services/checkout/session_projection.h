// Writes what the provider says of a checkout session into its row (CHK-6), by the transition table and never
// backwards, with an audit row for each move. In a transaction that holds the entity's lock.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/objects.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {

// Why a session moves, for its audit rows.
struct MoveCause {
  std::string actor;
  std::string why;  // a few fixed words
};

// Moves a stored session along the table and audits each move; does nothing where the table has no way.
absl::Status MoveAlong(db::Tx& tx, IdGenerator& ids, const SessionRow& session, SessionStatus to,
                       const MoveCause& cause);

// Inserts the session (`stored` is none), or brings the stored one to `desired`, whose id is then ignored. Returns it
// as it is stored afterwards. A stored session that is further on keeps its state and its fields.
absl::StatusOr<SessionRow> UpsertSession(db::Tx& tx, IdGenerator& ids, const std::optional<SessionRow>& stored,
                                         SessionRow desired, const MoveCause& cause);

// Inserts a hold, with its audit row (IDM-10).
absl::Status StoreHold(db::Tx& tx, IdGenerator& ids, const SessionRow& hold, const MoveCause& cause);

}  // namespace billmesh::checkout
