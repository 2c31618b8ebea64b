// Where the keys that tokens are verified with come from.
#pragma once

#include <memory>

#include "common/auth/jws.h"

namespace billmesh::auth {

// Thread safe. The last good set is kept when a newer one can't be had or is malformed.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // The set at hand; null while there never was one. Doesn't block on a network.
  virtual std::shared_ptr<const KeySet> Keys() = 0;
  // Whether Refresh would look again now: it is limited in rate where it costs a request.
  virtual bool MayRefresh() = 0;
  // Looks again, for a kid that isn't in the set. May block, within bounds, where the keys come from a network.
  virtual void Refresh() = 0;
  // For a worker, about once a second: looks again when the set at hand is old. May block as Refresh does.
  virtual void RefreshIfDue() = 0;
};

}  // namespace billmesh::auth
