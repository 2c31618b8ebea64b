#include "services/webhook/secret_reloader.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "common/telemetry/log.h"
#include "services/webhook/webhook_config.h"

namespace billmesh::webhook {
namespace {

constexpr size_t kMaxFileBytes = 16 << 10;

}  // namespace

bool SecretReloader::RunOnce() {
  if (path_.empty()) return false;
  std::ifstream in(path_, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in.good() && !in.eof()) {
    telemetry::Warn("the file of webhook secrets can't be read; the old ones stay", {{"file", path_}});
    return false;
  }
  if (text.size() > kMaxFileBytes) {
    telemetry::Warn("the file of webhook secrets is too large; the old ones stay", {{"file", path_}});
    return false;
  }
  std::vector<std::string> secrets = SplitSecrets(text);
  if (secrets == current_) return false;
  if (const absl::Status replaced = verifier_.ReplaceSecrets(secrets); !replaced.ok()) {
    telemetry::Warn("new webhook secrets refused; the old ones stay", {{"error", std::string(replaced.message())}});
    return false;
  }
  current_ = std::move(secrets);
  telemetry::Info("webhook secrets taken from their file", {{"count", absl::StrCat(current_.size())}});
  return true;
}

}  // namespace billmesh::webhook
