// The places where a crash of the checkout daemon matters, all of them: before and after each commit, each
// dispatch to the provider and each of its answers. tests/fault arms them by name.
#pragma once

#include <array>
#include <string_view>

#include "common/fault/fault_point.h"

namespace billmesh::checkout::fault_points {

// Tx A: a new operation is claimed and its first step frozen.
inline constexpr char kBeforeClaimCommit[] = "checkout.before_claim_commit";
inline constexpr char kAfterClaimCommit[] = "checkout.after_claim_commit";
// Tx R1: the lease of an abandoned operation is taken over.
inline constexpr char kBeforeTakeoverCommit[] = "checkout.before_takeover_commit";
inline constexpr char kAfterTakeoverCommit[] = "checkout.after_takeover_commit";
// The provider.
inline constexpr char kBeforeDispatch[] = "checkout.before_dispatch";
inline constexpr char kAfterAnswer[] = "checkout.after_answer";
inline constexpr char kBeforeRetrieve[] = "checkout.before_retrieve";
inline constexpr char kAfterRetrieve[] = "checkout.after_retrieve";
inline constexpr char kBeforeLookUp[] = "checkout.before_look_up";
inline constexpr char kAfterLookUp[] = "checkout.after_look_up";
// A step is stored and the next one frozen (the customer, then the session).
inline constexpr char kBeforeStepCommit[] = "checkout.before_step_commit";
inline constexpr char kAfterStepCommit[] = "checkout.after_step_commit";
// Tx B and R2: the operation ends.
inline constexpr char kBeforeFinalCommit[] = "checkout.before_final_commit";
inline constexpr char kAfterFinalCommit[] = "checkout.after_final_commit";

inline constexpr std::array<std::string_view, 14> kAll = {
    kBeforeClaimCommit, kAfterClaimCommit, kBeforeTakeoverCommit, kAfterTakeoverCommit, kBeforeDispatch,
    kAfterAnswer,       kBeforeRetrieve,   kAfterRetrieve,        kBeforeLookUp,        kAfterLookUp,
    kBeforeStepCommit,  kAfterStepCommit,  kBeforeFinalCommit,    kAfterFinalCommit,
};

}  // namespace billmesh::checkout::fault_points
