#include "common/daemon/file_checks.h"

#include <fstream>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/value.h"
#include "common/crypto/certificate_files.h"

namespace billmesh::daemon {
namespace {

// Larger than any system's bundle of trust anchors.
constexpr size_t kMaxPemBytes = 4 << 20;
constexpr char kTooLarge[] = "can't be read or is larger than 4 MiB";

std::optional<std::string> Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content(kMaxPemBytes + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!in.eof() || in.bad()) return std::nullopt;
  content.resize(static_cast<size_t>(in.gcount()));
  return content;
}

std::string Named(const FileSetting& setting, const std::string& path, const std::string& fault) {
  return fault.empty() ? "" : absl::StrCat(setting.env, ": ", config::Quote(path), " ", fault);
}

config::CrossCheck Check(FileSetting setting, std::function<std::string(std::string_view)> fault_of) {
  return [setting = std::move(setting), fault_of = std::move(fault_of)](const config::Config& config) -> std::string {
    const std::string& path = config.Get(setting.flag);
    if (path.empty()) return "";
    const auto content = Read(path);
    return Named(setting, path, content.has_value() ? fault_of(*content) : kTooLarge);
  };
}

}  // namespace

config::CrossCheck ChainCheck(FileSetting setting) { return Check(std::move(setting), &crypto::ChainFault); }

config::CrossCheck AnchorsCheck(FileSetting setting) { return Check(std::move(setting), &crypto::AnchorsFault); }

std::vector<config::CrossCheck> PrivateKeyChecks(FileSetting key, FileSetting chain) {
  // Apart, so that a broken key is named also where there is no chain to hold it against.
  const auto alone = [](std::string_view pem) { return crypto::PrivateKeyFault(pem, ""); };
  const auto matches = [key, chain, alone](const config::Config& config) -> std::string {
    const std::string& key_path = config.Get(key.flag);
    const std::string& chain_path = config.Get(chain.flag);
    if (key_path.empty() || chain_path.empty()) return "";
    const auto key_pem = Read(key_path), chain_pem = Read(chain_path);
    if (!key_pem.has_value() || !chain_pem.has_value() || !alone(*key_pem).empty()) return "";
    return Named(key, key_path, crypto::PrivateKeyFault(*key_pem, *chain_pem));
  };
  return {Check(key, alone), matches};
}

}  // namespace billmesh::daemon
