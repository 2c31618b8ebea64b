// Applies the provider's word on a checkout session to its row: what an answer, a retrieved object or an expiry says is
// stored by the transition table, never backwards, with an audit row for each move (CHK-3, CHK-6).
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/objects.h"
#include "services/checkout/session_projection.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {

// In a transaction that holds the entity's lock, in which `stored` was read. `said_at`: the Date of the provider's
// answer. Returns the session as it is stored afterwards: where it is further on than what was said, it stays as it is.
// None, and nothing is written, where the object is another session or has a status that we don't know.
absl::StatusOr<std::optional<SessionRow>> ApplyProviderSession(db::Tx& tx, IdGenerator& ids, const SessionRow& stored,
                                                               const provider::CheckoutSession& said,
                                                               std::optional<absl::Time> said_at,
                                                               const MoveCause& cause);

}  // namespace billmesh::checkout
