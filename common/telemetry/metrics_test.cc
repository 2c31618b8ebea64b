#include "common/telemetry/metrics.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/telemetry/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace billmesh::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

size_t Count(const std::string& text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

TEST(MetricsTest, SameNameAndLabelsGiveTheSameInstrument) {
  Counter& a = GetCounter("test_same_total", "help", {{"k", "1"}});
  EXPECT_EQ(&a, &GetCounter("test_same_total", "other help", {{"k", "1"}}));
  EXPECT_NE(&a, &GetCounter("test_same_total", "help", {{"k", "2"}}));
  EXPECT_EQ(&GetGauge("test_same_gauge", "help"), &GetGauge("test_same_gauge", "help"));
  EXPECT_EQ(&GetHistogram("test_same_seconds", "help"), &GetHistogram("test_same_seconds", "help"));
}

TEST(MetricsTest, RendersCountersGaugesAndHistograms) {
  GetCounter("test_render_total", "Things rendered.", {{"kind", "a\"b"}}).Add();
  GetCounter("test_render_total", "Things rendered.", {{"kind", "a\"b"}}).Add(2);
  GetGauge("test_render_depth", "Depth.").Set(7);
  GetHistogram("test_render_seconds", "Latency.").Observe(0.0002);
  const std::string text = RenderMetrics();
  EXPECT_THAT(text, HasSubstr("# HELP test_render_total Things rendered.\n# TYPE test_render_total counter\n"
                              "test_render_total{kind=\"a\\\"b\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("test_render_depth 7\n"));
  EXPECT_THAT(text, HasSubstr("test_render_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("test_render_seconds_bucket{le=\"0.0001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("test_render_seconds_bucket{le=\"0.00025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("test_render_seconds_bucket{le=\"30\"} 1\n"));
  EXPECT_EQ(Count(text, "# TYPE test_render_total"), 1u);
}

TEST(MetricsTest, CallbacksAreReadAtEachScrapeAndReplaceEachOther) {
  double value = 1;
  SetGaugeCallback("test_callback", "help", {{"q", "x"}}, [&value] { return value; });
  EXPECT_THAT(RenderMetrics(), HasSubstr("test_callback{q=\"x\"} 1\n"));
  value = 2;
  EXPECT_THAT(RenderMetrics(), HasSubstr("test_callback{q=\"x\"} 2\n"));
  SetGaugeCallback("test_callback", "help", {{"q", "x"}}, [] { return 9.0; });
  const std::string text = RenderMetrics();
  EXPECT_THAT(text, HasSubstr("test_callback{q=\"x\"} 9\n"));
  EXPECT_EQ(Count(text, "test_callback{"), 1u);
}

TEST(MetricsTest, ACallbackMayCreateInstruments) {
  SetGaugeCallback("test_reentrant", "help", {}, [] {
    GetCounter("test_reentrant_total", "help").Add();
    return 4.0;
  });
  EXPECT_THAT(RenderMetrics(), HasSubstr("test_reentrant 4\n"));
  SetGaugeCallback("test_reentrant", "help", {}, [] { return 0.0; });
}

TEST(MetricsTest, UnboundedLabelsEndInOneOverflowSeries) {
  for (int i = 0; i < 3000; ++i) {
    GetCounter("test_overflow_total", "help", {{"id", absl::StrCat(i)}, {"z", "1"}}).Add();
  }
  const std::string text = RenderMetrics();
  EXPECT_THAT(text, HasSubstr("test_overflow_total{id=\"999\",z=\"1\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("test_overflow_total{id=\"1000\"")));
  EXPECT_THAT(text, HasSubstr("test_overflow_total{id=\"overflow\",z=\"overflow\"} 2000\n"));
}

TEST(MetricsTest, CountsFromManyThreadsAddUp) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 1000; ++i) {
        GetCounter("test_threads_total", "help", {{"t", absl::StrCat((t + i) % 3)}}).Add();
        if (i % 250 == 0) RenderMetrics();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = RenderMetrics();
  double sum = 0;
  for (int t = 0; t < 3; ++t) {
    const std::string head = absl::StrCat("test_threads_total{t=\"", t, "\"} ");
    sum += std::stod(text.substr(text.find(head) + head.size()));
  }
  EXPECT_EQ(sum, 4000);
}

TEST(MetricsTest, GuardrailsAreCountedByCodeAndLogged) {
  InitLogging("webhook", "info");
  ::testing::internal::CaptureStderr();
  Guardrail("BILLING_TEST_GUARDRAIL", {{"entity_id", "e-1"}, {"key", "sk_live_123"}});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(R"("level":"warn")"));
  EXPECT_THAT(log, HasSubstr(R"("code":"BILLING_TEST_GUARDRAIL","entity_id":"e-1","key":"[redacted]"})"));
  EXPECT_THAT(RenderMetrics(), HasSubstr("billmesh_guardrail_total{code=\"BILLING_TEST_GUARDRAIL\"} 1\n"));
}

TEST(MetricsDeathTest, AWrongNameOrTypeAborts) {
  GetCounter("test_typed_total", "help");
  EXPECT_DEATH(GetGauge("test_typed_total", "help"), "metric test_typed_total");
  EXPECT_DEATH(GetCounter("not a name", "help"), "metric not a name");
}

}  // namespace
}  // namespace billmesh::telemetry
