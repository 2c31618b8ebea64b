// billmesh-entitlements: answers what an entity may do, from memory.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "common/config/config.h"
#include "common/daemon/daemon.h"
#include "services/entitlements/entitlements_config.h"
#include "services/entitlements/entitlements_server.h"
#include "services/entitlements/entitlements_service.h"

namespace billmesh::entitlements {
namespace {

constexpr char kSummary[] = "Answers what a billable entity may do, from memory, kept true by the change feed.";

int Run(const config::Config& config) {
  auto made = daemon::Daemon::Create({.name = "entitlements"}, config);
  if (!made.ok()) {
    std::fprintf(stderr, "billmesh-entitlements: %s\n", std::string(made.status().message()).c_str());
    return 1;
  }
  daemon::Daemon& daemon = **made;
  const EntitlementsConfig settings = ReadEntitlementsConfig(config);

  EntitlementsService service(
      {.pool = daemon.pool(),
       .clock = daemon.clock(),
       .ids = daemon.ids(),
       .submit = [&daemon](std::function<void()> task) { return daemon.executor().TrySubmit(std::move(task)); }},
      settings.service);
  EntitlementsServer server(daemon.calls(), service);

  daemon.ReplaceDatabaseReadiness([&service](const absl::Status& database) { return service.Readiness(database); });
  daemon.AddWorker("change-feed", settings.feed_poll_interval, [&service] { return service.PollOnce(); });
  return daemon.Serve({&server});
}

int Main(int argc, char** argv) {
  const config::Parsed parsed =
      config::Parse("billmesh-entitlements", kSummary, EntitlementsSettings(), EntitlementsChecks(), argc, argv,
                    [](const char* name) -> const char* { return std::getenv(name); });
  if (!parsed.config.has_value()) {
    std::fprintf(parsed.exit_code == 0 ? stdout : stderr, "%s\n", parsed.message.c_str());
    return parsed.exit_code;
  }
  if (parsed.config->check_only()) return 0;
  return Run(*parsed.config);
}

}  // namespace
}  // namespace billmesh::entitlements

int main(int argc, char** argv) { return billmesh::entitlements::Main(argc, argv); }
