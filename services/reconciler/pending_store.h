// Operations that were left behind: pending, and nobody's. System scope; never begins or commits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/reconciler/page_token.h"

namespace billmesh::reconciler {

struct StaleOperation {
  std::string id;
  std::string action;
  absl::Time stale_since;  // when its lease ended, or, where nobody ever held it, when it was made
};

// Those that were stale at that time already, in the order of (stale_since, id), after the given place. Of every
// action.
absl::StatusOr<std::vector<StaleOperation>> ReadStaleOperations(db::Tx& tx, std::string_view env,
                                                                std::string_view provider, absl::Time stale_at,
                                                                const std::optional<RowPlace>& after, int limit);

}  // namespace billmesh::reconciler
