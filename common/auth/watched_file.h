// A small file that may be replaced while we run: keys that rotate (CFG-5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/time/clock.h"

namespace billmesh::auth {

// Not thread safe: the owner locks. The clock must outlive it.
class WatchedFile {
 public:
  WatchedFile(std::string path, size_t max_bytes, Clock& clock)
      : path_(std::move(path)), max_bytes_(max_bytes), clock_(clock) {}
  // The whole content. invalid_argument naming the path when it can't be read or is over max_bytes.
  absl::StatusOr<std::string> Read();
  // The content if the file is another than at the last Read or Poll (inode, size or time of change differ). Looks at
  // most once a second unless `at_once`, so that it may stand on a hot path. A file that can't be read is as if
  // unchanged.
  std::optional<std::string> Poll(bool at_once);

 private:
  struct Stamp {
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  std::optional<Stamp> Look() const;

  const std::string path_;
  const size_t max_bytes_;
  Clock& clock_;
  std::optional<Stamp> seen_;
  std::optional<absl::Duration> looked_at_;
};

}  // namespace billmesh::auth
