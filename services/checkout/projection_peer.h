// The webhook daemon as checkout needs it: the one place where the provider's objects become projections (REC-3).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace billmesh::checkout {

// An object as the provider answered it.
struct FetchedObject {
  std::string kind;  // common/provider/object_format.h
  std::string object_json;
  absl::Time provider_date;  // of the provider's answer (WHK-5)
};

// Thread safe.
class ProjectionPeer {
 public:
  virtual ~ProjectionPeer() = default;
  // Has the objects (1 to 64) projected in one transaction. OK also where one of them couldn't be applied: that is
  // counted and logged. Errors: the peer's, and those of the way there. Blocks up to the timeout; never inside a
  // transaction.
  virtual absl::Status Project(const std::string& provider, const std::vector<FetchedObject>& objects,
                               absl::Duration timeout) = 0;
};

}  // namespace billmesh::checkout
