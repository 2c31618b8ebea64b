// billctl: the operator's command line. A gRPC client over mTLS; migrate and verify talk to PostgreSQL, provision to
// the provider.
#include <cstdlib>
#include <iostream>

#include "common/ids/id_generator.h"
#include "common/telemetry/log.h"
#include "common/time/clock.h"
#include "deploy/billctl/command_line.h"

int main(int argc, char** argv) {
  // What is wrong is said once, as the command's own line.
  billmesh::telemetry::InitLogging("billctl", "error");
  billmesh::SystemClock clock;
  billmesh::SystemIdGenerator ids(clock);
  return billmesh::billctl::RunCommandLine(
      billmesh::billctl::AllCommands(), {argv + 1, argv + argc},
      [](const char* name) -> const char* { return std::getenv(name); }, clock, ids, std::cout, std::cerr);
}
