// A JWKS in a file, read again when it changes.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "common/auth/key_source.h"
#include "common/auth/watched_file.h"
#include "common/time/clock.h"

namespace billmesh::auth {

class FileKeySource : public KeySource {
 public:
  // invalid_argument naming the path unless the file holds a usable set. The clock must outlive the source.
  static absl::StatusOr<std::unique_ptr<FileKeySource>> Create(const std::string& path, Clock& clock);
  // Never null. Looks at the file at most once a second.
  std::shared_ptr<const KeySet> Keys() override;
  bool MayRefresh() override { return true; }
  void Refresh() override;
  void RefreshIfDue() override {}

 private:
  FileKeySource(const std::string& path, Clock& clock) : path_(path), file_(path, kMaxJwksBytes, clock) {}
  void Poll(bool at_once);  // requires mutex_

  const std::string path_;
  std::mutex mutex_;
  WatchedFile file_;                    // guarded by mutex_
  std::shared_ptr<const KeySet> keys_;  // guarded by mutex_
};

}  // namespace billmesh::auth
