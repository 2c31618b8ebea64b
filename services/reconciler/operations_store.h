// What operators see and set right in the outbox. System scope; never begins or commits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/reconciler/page_token.h"

namespace billmesh::reconciler {

struct DeadLetter {
  std::string job_id;
  std::string job_type;
  std::optional<std::string> entity_id;
  int64_t attempts = 0;
  std::string last_error;
  absl::Time created_at;
  absl::Time finished_at;
};

// Newest first, those after the given place.
absl::StatusOr<std::vector<DeadLetter>> ReadDeadLetters(db::Tx& tx, std::string_view env,
                                                        const std::optional<RowPlace>& after, int limit);

struct RequeuedJob {
  std::string job_type;
  std::optional<std::string> entity_id;
  bool requeued = false;  // false: it wasn't dead, and stays as it is
};
// A new budget for a dead job, due at once. nullopt if there is no such job. lease_version goes on rising, so that no
// key of an earlier attempt is used again.
absl::StatusOr<std::optional<RequeuedJob>> Requeue(db::Tx& tx, std::string_view env, std::string_view job_id);

}  // namespace billmesh::reconciler
