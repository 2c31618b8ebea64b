#include "services/edge/peer_readiness.h"

#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

TEST(PeerReadinessTest, FollowsTheConnectionWithAGrace) {
  FakeClock clock(absl::FromUnixSeconds(1'800'000'000));
  grpc_connectivity_state state = GRPC_CHANNEL_CONNECTING;
  PeerReadiness readiness(
      "checkout", [&] { return state; }, clock);
  EXPECT_FALSE(readiness.Check().ok()) << "never connected yet";
  state = GRPC_CHANNEL_READY;
  EXPECT_TRUE(readiness.Check().ok());
  // Renewed by age.
  state = GRPC_CHANNEL_IDLE;
  clock.Advance(absl::Seconds(4));
  EXPECT_TRUE(readiness.Check().ok());
  state = GRPC_CHANNEL_TRANSIENT_FAILURE;
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(std::string(readiness.Check().message()), "no connection to checkout");
  state = GRPC_CHANNEL_READY;
  EXPECT_TRUE(readiness.Check().ok());
}

}  // namespace
}  // namespace billmesh::edge
