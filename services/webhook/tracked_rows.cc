#include "services/webhook/tracked_rows.h"

#include "common/status/status.h"

namespace billmesh::webhook {

absl::Status Taken(const char* constraint) {
  return Fail(Reason::FAILURE_REASON_CONSTRAINT_VIOLATION, "an object of the provider's belongs to another row already",
              {{"constraint", constraint}, {"sqlstate", "23505"}});
}

absl::Status CheckDistinct(const std::vector<std::string>& keys, const char* constraint) {
  const std::unordered_set<std::string_view> distinct(keys.begin(), keys.end());
  return distinct.size() == keys.size() ? absl::OkStatus() : Taken(constraint);
}

}  // namespace billmesh::webhook
