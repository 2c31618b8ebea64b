// The places where a crash of the reconciler daemon matters, all of them. tests/fault arms them by name.
#pragma once

#include <array>
#include <string_view>

#include "common/fault/fault_point.h"

namespace billmesh::reconciler::fault_points {

// A job is leased.
inline constexpr char kBeforeLeaseCommit[] = "reconciler.before_lease_commit";
inline constexpr char kAfterLeaseCommit[] = "reconciler.after_lease_commit";
// Its side effect happened, its outcome isn't stored.
inline constexpr char kBeforeExpire[] = "reconciler.before_expire";
inline constexpr char kAfterExpire[] = "reconciler.after_expire";
// Its outcome is stored under the fence.
inline constexpr char kBeforeOutcomeCommit[] = "reconciler.before_outcome_commit";
inline constexpr char kAfterOutcomeCommit[] = "reconciler.after_outcome_commit";

// A run is held, and a batch of it done without being stored.
inline constexpr char kBeforeBatch[] = "reconciler.before_batch";
inline constexpr char kAfterBatch[] = "reconciler.after_batch";
// The batch is stored, or the run ended.
inline constexpr char kAfterProgressCommit[] = "reconciler.after_progress_commit";

inline constexpr std::array<std::string_view, 9> kAll = {
    kBeforeLeaseCommit,  kAfterLeaseCommit, kBeforeExpire, kAfterExpire,         kBeforeOutcomeCommit,
    kAfterOutcomeCommit, kBeforeBatch,      kAfterBatch,   kAfterProgressCommit,
};

}  // namespace billmesh::reconciler::fault_points
