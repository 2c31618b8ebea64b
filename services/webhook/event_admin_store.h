// What operators look for among stored events. Every function works in the caller's transaction of the system scope.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"

namespace billmesh::webhook {

// Each that is set must hold.
struct EventFilter {
  std::vector<std::string> statuses;
  std::string type_prefix;
  std::string entity_id;
  std::string provider_event_id;
  std::string provider_customer_id;
  std::string object_id;
  std::optional<absl::Time> received_from, received_until;
  bool Empty() const;
};

struct EventRow {
  std::string id;  // ours; rises with the time of receipt
  std::string provider_event_id, type, status, status_reason;
  int64_t attempts = 0;
  std::string entity_id, bound_entity_id, object_id, provider_customer_id, api_version;  // "": none
  absl::Time provider_created_at, received_at;
  std::optional<absl::Time> processed_at, run_after;
};

// Newest first; those before the row `before` of ours, if it is given.
absl::StatusOr<std::vector<EventRow>> FindEvents(db::Tx& tx, std::string_view env, std::string_view provider,
                                                 const EventFilter& filter, const std::optional<std::string>& before,
                                                 int limit);

// Whether there is such an entity in this environment.
absl::StatusOr<bool> EntityExists(db::Tx& tx, std::string_view env, std::string_view entity_id);

}  // namespace billmesh::webhook
