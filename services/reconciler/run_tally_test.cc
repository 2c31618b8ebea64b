#include "services/reconciler/run_tally.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::reconciler {
namespace {

using Result = Finding::Result;

std::vector<Finding> Many(size_t count, Result result, const std::string& name) {
  std::vector<Finding> findings;
  for (size_t n = 0; n < count; ++n) findings.push_back({absl::StrCat(name, n), "checkout", result, ""});
  return findings;
}

TEST(RunTallyTest, CountsEachFindingByItsResult) {
  RunTally tally;
  AddFindings(Many(5, Result::kInOrder, "a"), tally);
  AddFindings(Many(3, Result::kOpen, "b"), tally);
  AddFindings(Many(2, Result::kRepaired, "c"), tally);
  AddFindings(Many(1, Result::kFailed, "d"), tally);
  EXPECT_EQ(tally.scanned, 11);
  EXPECT_EQ(tally.drifted, 6);
  EXPECT_EQ(tally.repaired, 2);
  EXPECT_EQ(tally.failed, 1);
  ASSERT_EQ(tally.samples.size(), 6u) << "what is in order is no sample";
  EXPECT_EQ(tally.samples.front().subject, "b0");
  EXPECT_EQ(tally.samples.back().subject, "d0");
}

TEST(RunTallyTest, KeepsFewSamplesAndFailuresBeforeOthers) {
  RunTally tally;
  AddFindings(Many(kMaxSamples + 5, Result::kRepaired, "r"), tally);
  AddFindings(Many(3, Result::kFailed, "f"), tally);
  AddFindings(Many(4, Result::kOpen, "o"), tally);
  ASSERT_EQ(tally.samples.size(), kMaxSamples);
  size_t failures = 0;
  for (const Finding& sample : tally.samples) failures += sample.result == Result::kFailed ? 1 : 0;
  EXPECT_EQ(failures, 3u);
  EXPECT_EQ(tally.samples.front().subject, "r0") << "the first ones stay";
  AddFindings(Many(2 * kMaxSamples, Result::kFailed, "g"), tally);
  ASSERT_EQ(tally.samples.size(), kMaxSamples);
  EXPECT_EQ(tally.drifted, static_cast<int64_t>(kMaxSamples + 5 + 3 + 4 + 2 * kMaxSamples));
}

TEST(RunTallyTest, SamplesComeBackFromTheirJson) {
  const std::vector<Finding> samples = {{"op-1", "checkout", Result::kRepaired, "succeeded"},
                                        {"op-2", "set_add_on", Result::kFailed, "a \"quoted\" é"}};
  const auto read = SamplesFromJson(SamplesToJson(samples));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ(read->at(1).subject, "op-2");
  EXPECT_EQ(read->at(1).kind, "set_add_on");
  EXPECT_EQ(read->at(1).result, Result::kFailed);
  EXPECT_EQ(read->at(1).detail, "a \"quoted\" é");
}

TEST(RunTallyTest, LongDetailsAreCutEvenThroughACharacter) {
  const std::string json = SamplesToJson({{"op", "checkout", Result::kOpen, std::string(199, 'x') + "éé" + "tail"}});
  const auto read = SamplesFromJson(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_LT(read->at(0).detail.size(), 210u);
  EXPECT_EQ(read->at(0).detail.find("tail"), std::string::npos);
}

TEST(RunTallyTest, RefusesSamplesThatItDidNotMake) {
  for (const char* text : {"", "{}", "[1]", "[{}]", R"([{"result":"worse"}])", R"([{"result":1}])"}) {
    EXPECT_FALSE(SamplesFromJson(text).ok()) << text;
  }
}

}  // namespace
}  // namespace billmesh::reconciler
