// When a checkout session was last asked about on a buyer's behalf: a column of its row, so that all replicas share it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"

namespace billmesh::checkout {

// The provider's id of the operation's session, if it still blocks, or its subscription is still incomplete here (a
// fetch of the very second in which it became active loses to the event before), and nobody asked within `pause`: then
// this caller is the one who asks, and is noted (CHK-11). In a tenant transaction of its owner; needs no entity lock,
// since it changes nothing that anybody decides by.
absl::StatusOr<std::optional<std::string>> TakeRefreshTurn(db::Tx& tx, std::string_view operation_key,
                                                           absl::Duration pause);

}  // namespace billmesh::checkout
