// The job that fetches an object anew and projects it, because what is stored may not be the truth (WHK-5). Enqueued by
// whoever sees that, done by the reconciler.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/outbox/outbox_store.h"

namespace billmesh::outbox {

struct RefreshOrder {
  std::string kind;  // common/provider/object_format.h
  std::string id;    // the provider's
  // The provider's second that can't be told apart: what is fetched must be of a later one, or it loses to the events
  // of that second.
  absl::Time after;
};

// One job for each object and second, however often it is asked for.
NewJob RefreshJob(std::string_view env, std::string_view entity_id, const RefreshOrder& order);

// data_invalid naming the member that isn't right.
absl::StatusOr<RefreshOrder> ReadRefreshOrder(std::string_view payload_json);

}  // namespace billmesh::outbox
