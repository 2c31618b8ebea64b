#include "services/checkout/replay_rules.h"

#include <algorithm>
#include <string_view>

namespace billmesh::checkout {
namespace {

std::string_view MajorOf(std::string_view version) { return version.substr(0, version.find('.')); }

}  // namespace

StepAge AgeOf(absl::Time frozen_at, absl::Time replay_deadline, absl::Time now) {
  if (now >= replay_deadline + kPastAllDoubtAfter) return StepAge::kPastAllDoubt;
  if (now >= replay_deadline || now < frozen_at - kFreezingSlack) return StepAge::kPastDeadline;
  return StepAge::kReplayable;
}

ReplayAnswer JudgeReplay(const provider::CallResult& result) {
  return result.replayed || result.refused ? ReplayAnswer::kEnded : ReplayAnswer::kNothing;
}

bool ProvenanceAllowsReplay(const provider::Provenance& frozen, const provider::Provenance& present) {
  return SameAccount(frozen, present) && frozen.api_version == present.api_version &&
         frozen.client_name == present.client_name && MajorOf(frozen.client_version) == MajorOf(present.client_version);
}

bool SameAccount(const provider::Provenance& frozen, const provider::Provenance& present) {
  return frozen.provider == present.provider && frozen.account_id == present.account_id;
}

absl::Time HoldUntil(absl::Time session_upper_bound, absl::Time replay_deadline, absl::Duration grace) {
  return std::max(session_upper_bound, replay_deadline) + grace;
}

}  // namespace billmesh::checkout
