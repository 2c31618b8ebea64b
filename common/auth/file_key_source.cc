#include "common/auth/file_key_source.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"

namespace billmesh::auth {

absl::StatusOr<std::unique_ptr<FileKeySource>> FileKeySource::Create(const std::string& path, Clock& clock) {
  std::unique_ptr<FileKeySource> source(new FileKeySource(path, clock));
  ASSIGN_OR_RETURN(const std::string content, source->file_.Read());
  auto keys = KeySet::Parse(content);
  if (!keys.ok()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(path, ": ", keys.status().message()));
  }
  source->keys_ = *std::move(keys);
  return source;
}

std::shared_ptr<const KeySet> FileKeySource::Keys() {
  std::lock_guard lock(mutex_);
  Poll(/*at_once=*/false);
  return keys_;
}

void FileKeySource::Refresh() {
  std::lock_guard lock(mutex_);
  Poll(/*at_once=*/true);
}

void FileKeySource::Poll(bool at_once) {
  const auto content = file_.Poll(at_once);
  if (!content.has_value()) return;
  auto keys = KeySet::Parse(*content);
  if (keys.ok()) {
    keys_ = *std::move(keys);
    telemetry::Info("key set read again", {{"file", path_}, {"keys", absl::StrCat(keys_->size())}});
  } else {
    telemetry::Warn("key set not taken over, the last good one stays",
                    {{"file", path_}, {"error", std::string(keys.status().message())}});
  }
}

}  // namespace billmesh::auth
