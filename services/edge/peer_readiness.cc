#include "services/edge/peer_readiness.h"

#include "absl/strings/str_cat.h"
#include "grpc/support/time.h"

namespace billmesh::edge {
namespace {

constexpr absl::Duration kReconnectGrace = absl::Seconds(5);
// A channel without calls makes progress only while somebody waits on it: each look waits this long where it isn't
// connected.
constexpr int kConnectWaitMs = 200;

}  // namespace

PeerReadiness PeerReadiness::Of(std::string name, std::shared_ptr<grpc::Channel> channel, Clock& clock) {
  const auto state = [channel = std::move(channel)] {
    channel->WaitForConnected(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(kConnectWaitMs, GPR_TIMESPAN)));
    return channel->GetState(/*try_to_connect=*/true);
  };
  return PeerReadiness(std::move(name), state, clock);
}

absl::Status PeerReadiness::Check() {
  const absl::Duration now = clock_.Monotonic();
  if (state_() == GRPC_CHANNEL_READY) {
    connected_at_ = now;
    return absl::OkStatus();
  }
  if (connected_at_.has_value() && now - *connected_at_ < kReconnectGrace) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("no connection to ", name_));
}

}  // namespace billmesh::edge
