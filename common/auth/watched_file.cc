#include "common/auth/watched_file.h"

#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::auth {
namespace {

constexpr absl::Duration kLookInterval = absl::Seconds(1);

}  // namespace

std::optional<WatchedFile::Stamp> WatchedFile::Look() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return std::nullopt;
  return Stamp{info.st_ino, info.st_size, int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
}

absl::StatusOr<std::string> WatchedFile::Read() {
  // Stamped before it is read: a file that changes meanwhile is read again next time.
  seen_ = Look();
  looked_at_ = clock_.Monotonic();
  std::ifstream in(path_, std::ios::binary);
  std::string content(max_bytes_ + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!in.eof() || in.bad() || in.gcount() == 0) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(path_, ": can't be read, is empty or too large"));
  }
  content.resize(static_cast<size_t>(in.gcount()));
  return content;
}

std::optional<std::string> WatchedFile::Poll(bool at_once) {
  const absl::Duration now = clock_.Monotonic();
  if (!at_once && looked_at_.has_value() && now - *looked_at_ < kLookInterval) return std::nullopt;
  looked_at_ = now;
  const auto stamp = Look();
  if (!stamp.has_value() || stamp == seen_) return std::nullopt;
  auto content = Read();
  if (!content.ok()) return std::nullopt;
  return *std::move(content);
}

}  // namespace billmesh::auth
