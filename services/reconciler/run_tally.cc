#include "services/reconciler/run_tally.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::reconciler {
namespace {

using Result = Finding::Result;

constexpr size_t kMaxDetail = 200;

constexpr std::array<std::pair<Result, std::string_view>, 4> kResults = {{
    {Result::kInOrder, "in_order"},
    {Result::kOpen, "open"},
    {Result::kRepaired, "repaired"},
    {Result::kFailed, "failed"},
}};

std::optional<Result> ParseResult(std::string_view name) {
  for (const auto& [result, known] : kResults) {
    if (known == name) return result;
  }
  return std::nullopt;
}

void KeepSample(const Finding& finding, std::vector<Finding>& samples) {
  if (samples.size() < kMaxSamples) {
    samples.push_back(finding);
    return;
  }
  if (finding.result != Result::kFailed) return;
  const auto milder = std::find_if(samples.rbegin(), samples.rend(),
                                   [](const Finding& kept) { return kept.result != Result::kFailed; });
  if (milder != samples.rend()) *milder = finding;
}

}  // namespace

void AddFindings(const std::vector<Finding>& findings, RunTally& tally) {
  for (const Finding& finding : findings) {
    ++tally.scanned;
    if (finding.result == Result::kInOrder) continue;
    ++tally.drifted;
    if (finding.result == Result::kRepaired) ++tally.repaired;
    if (finding.result == Result::kFailed) ++tally.failed;
    KeepSample(finding, tally.samples);
  }
}

std::string_view ResultName(Result result) {
  for (const auto& [known, name] : kResults) {
    if (known == result) return name;
  }
  return "";
}

std::string SamplesToJson(const std::vector<Finding>& samples) {
  nlohmann::json array = nlohmann::json::array();
  for (const Finding& sample : samples) {
    array.push_back({{"subject", sample.subject},
                     {"kind", sample.kind},
                     {"result", std::string(ResultName(sample.result))},
                     {"detail", sample.detail.substr(0, kMaxDetail)}});
  }
  // Replaced where the cut went through a character.
  return array.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<std::vector<Finding>> SamplesFromJson(std::string_view text) {
  const absl::Status broken = Fail(Reason::FAILURE_REASON_DATA_INVALID, "samples of a run can't be read");
  ASSIGN_OR_RETURN(const nlohmann::json array, json::Parse(text));
  if (!array.is_array()) return broken;
  std::vector<Finding> samples;
  for (const nlohmann::json& entry : array) {
    const auto word = [&entry](const char* name) -> std::string {
      const auto it = entry.find(name);
      return it != entry.end() && it->is_string() ? it->get<std::string>() : "";
    };
    if (!entry.is_object()) return broken;
    const std::optional<Result> result = ParseResult(word("result"));
    if (!result.has_value()) return broken;
    samples.push_back({word("subject"), word("kind"), *result, word("detail")});
  }
  return samples;
}

}  // namespace billmesh::reconciler
