// What a run has found so far (REC-4): counts, and a few samples of what was out of order. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/reconciler/scope.h"

namespace billmesh::reconciler {

// Of a run; the table's CHECK says the same.
inline constexpr size_t kMaxSamples = 20;

struct RunTally {
  int64_t scanned = 0;
  int64_t drifted = 0;  // whatever wasn't in order
  int64_t repaired = 0;
  int64_t failed = 0;
  std::vector<Finding> samples;  // none of them in order
};

// Adds the findings. Where there are more samples than are kept, failures go before the others, and earlier ones before
// later ones.
void AddFindings(const std::vector<Finding>& findings, RunTally& tally);

// "in_order", "open", "repaired", "failed".
std::string_view ResultName(Finding::Result result);

// The column's JSON. Details are cut to a bound.
std::string SamplesToJson(const std::vector<Finding>& samples);
// DATA_INVALID for what SamplesToJson didn't make.
absl::StatusOr<std::vector<Finding>> SamplesFromJson(std::string_view text);

}  // namespace billmesh::reconciler
