#include "common/rpc/grpc_log.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/telemetry/log.h"
#include "grpc/support/log.h"

namespace billmesh::rpc {
namespace {

// What gRPC calls an error is mostly what a peer did: whoever scans the port must not fill our log with errors.
telemetry::Level LevelOf(const gpr_log_func_args& line) {
  if (line.severity == GPR_LOG_SEVERITY_DEBUG) return telemetry::Level::kDebug;
  const bool handshake = std::string_view(line.message).find("andshake") != std::string_view::npos;
  return line.severity == GPR_LOG_SEVERITY_INFO || handshake ? telemetry::Level::kInfo : telemetry::Level::kWarn;
}

void Write(gpr_log_func_args* line) {
  std::string_view file = line->file;
  if (const size_t slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
  telemetry::Log(LevelOf(*line), "grpc",
                 {{"detail", line->message}, {"at", absl::StrCat(std::string(file), ":", line->line)}});
}

}  // namespace

void RouteGrpcLog() {
  static const bool once = [] {
    gpr_set_log_function(Write);
    return true;
  }();
  (void)once;
}

}  // namespace billmesh::rpc
