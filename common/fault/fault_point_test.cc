// Built with fault points, whatever the rest of the tree is built with.
#include "common/fault/fault_point.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::fault {
namespace {

absl::Status PassWithStatus() {
  FAULT_POINT_STATUS("test.status");
  return absl::OkStatus();
}

// The environment is read once in a process: each case runs in a child of its own, and ends it with what it saw.
TEST(FaultPointDeathTest, UnarmedPointsDoNothing) {
  EXPECT_EXIT(
      {
        FAULT_POINT("test.point");
        _exit(PassWithStatus().ok() ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(FaultPointDeathTest, AbortEndsTheProcessLikeSigkill) {
  EXPECT_EXIT(
      {
        setenv("BILLMESH_FAULTS", "test.other=delay:1;test.point=abort", 1);
        FAULT_POINT("test.point");
        _exit(0);
      },
      ::testing::KilledBySignal(SIGKILL), "");
}

TEST(FaultPointDeathTest, OnlyTheNamedPassageIsArmed) {
  EXPECT_EXIT(
      {
        setenv("BILLMESH_FAULTS", "test.point=abort@2", 1);
        FAULT_POINT("test.point");
        std::fprintf(stderr, "first passed");
        FAULT_POINT("test.point");
        _exit(0);
      },
      ::testing::KilledBySignal(SIGKILL), "first passed");
}

TEST(FaultPointDeathTest, ErrorIsReturnedWhereAStatusCanBe) {
  EXPECT_EXIT(
      {
        setenv("BILLMESH_FAULTS", "test.status=error", 1);
        std::fprintf(stderr, "%s", std::string(PassWithStatus().message()).c_str());
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "fault point test.status");
}

TEST(FaultPointDeathTest, PassagesAreLogged) {
  const std::string log = ::testing::TempDir() + "fault_point_log_" + std::to_string(getpid());
  EXPECT_EXIT(
      {
        setenv("BILLMESH_FAULTS_LOG", log.c_str(), 1);
        FAULT_POINT("test.a");
        FAULT_POINT("test.b");
        FAULT_POINT("test.a");
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "");
  std::ifstream in(log);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "test.a\ntest.b\ntest.a\n");
  unlink(log.c_str());
}

}  // namespace
}  // namespace billmesh::fault
