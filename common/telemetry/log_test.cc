#include "common/telemetry/log.h"

#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/telemetry/redact.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::telemetry {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

// What fn writes to standard error.
template <typename Fn>
std::string Captured(Fn fn) {
  ::testing::internal::CaptureStderr();
  fn();
  return ::testing::internal::GetCapturedStderr();
}

template <typename Fn>
nlohmann::json LoggedObject(Fn fn) {
  const std::string text = Captured(fn);
  EXPECT_THAT(text, EndsWith("\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  return nlohmann::json::parse(text);
}

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { InitLogging("checkout", "info"); }
};

TEST_F(LogTest, WritesOneObjectALine) {
  const absl::Time before = absl::Now();
  const nlohmann::json line = LoggedObject([] {
    Warn("checkout started", {{"entity_id", "e1"}, {"operation_key", "k\"1\n"}});
  });
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["service"], "checkout");
  EXPECT_EQ(line["msg"], "checkout started");
  EXPECT_EQ(line["entity_id"], "e1");
  EXPECT_EQ(line["operation_key"], "k\"1\n");
  EXPECT_EQ(line.size(), 6u) << line;
  const std::string ts = line["ts"];
  EXPECT_THAT(ts, ::testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"));
  absl::Time parsed;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, ts, &parsed, nullptr));
  EXPECT_GE(parsed, before - absl::Milliseconds(1));
  EXPECT_LE(parsed, absl::Now());
}

TEST_F(LogTest, LeavesOutLevelsBelowTheConfiguredOne) {
  EXPECT_EQ(Captured([] { Log(Level::kDebug, "quiet"); }), "");
  EXPECT_NE(Captured([] { Info("loud"); }), "");
  InitLogging("checkout", "error");
  EXPECT_EQ(Captured([] { Warn("quiet"); }), "");
  InitLogging("checkout", "debug");
  EXPECT_EQ(LoggedObject([] { Log(Level::kDebug, "loud"); })["level"], "debug");
}

TEST_F(LogTest, AddsTheCurrentCallsIds) {
  const TraceContext context{"req-12345", kTraceparent};
  CallScope scope(context);
  nlohmann::json line = LoggedObject([] { Info("x"); });
  EXPECT_EQ(line["request_id"], "req-12345");
  EXPECT_EQ(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
  line = LoggedObject([] { Info("x", {{"request_id", "another"}}); });
  EXPECT_EQ(line["request_id"], "another");
}

TEST_F(LogTest, ReplacesInvalidUtf8AndCutsLongValues) {
  const nlohmann::json line = LoggedObject([] {
    Info("a\xFF", {{"long", std::string(100'000, 'x')}, {"é", std::string(10'001, 'y') + "é"}});
  });
  EXPECT_EQ(line["msg"], "a\xEF\xBF\xBD");
  EXPECT_LT(line["long"].get<std::string>().size(), 5000u);
  EXPECT_THAT(line["é"].get<std::string>(), EndsWith("…"));
}

TEST_F(LogTest, NeverRepeatsAKey) {
  const std::string text = Captured([] { Info("said", {{"msg", "field"}, {"level", "x"}}); });
  EXPECT_THAT(text, HasSubstr(R"("msg":"said")"));
  EXPECT_THAT(text, HasSubstr(R"("field_msg":"field","field_level":"x")"));
}

TEST_F(LogTest, MasksSecretsInMessagesValuesAndByName) {
  const std::string text = Captured([] {
    const TraceContext context{"4242424242424242", ""};
    CallScope scope(context);
    Error("refused sk_live_51Habc", {{"card", "4242 4242 4242 4242"}, {"Authorization", "plain words"}});
  });
  EXPECT_THAT(text, Not(HasSubstr("51Habc")));
  EXPECT_THAT(text, Not(HasSubstr("4242")));
  EXPECT_THAT(text, Not(HasSubstr("plain words")));
  EXPECT_THAT(text, HasSubstr("refused [redacted]"));
}

TEST_F(LogTest, LinesOfManyThreadsStayWhole) {
  const std::string text = Captured([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 200; ++i) Info("line", {{"value", std::string(300, 'v')}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  int lines = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    EXPECT_EQ(nlohmann::json::parse(line.begin(), line.end())["msg"], "line");
    ++lines;
  }
  EXPECT_EQ(lines, 800);
}

struct RedactCase {
  std::string_view text, expected;
};

TEST(LogBatchTest, LinesAreWrittenWhenTheOutermostOneEnds) {
  std::string inside;
  const std::string all = Captured([&] {
    const LogBatch batch;
    Info("one");
    {
      const LogBatch nested;
      Warn("two");
    }
    inside = ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
  });
  EXPECT_EQ(inside, "");
  const std::vector<std::string> lines = absl::StrSplit(all, '\n');
  ASSERT_EQ(lines.size(), 3u) << all;
  EXPECT_EQ(nlohmann::json::parse(lines[0])["msg"], "one");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["level"], "warn");
  EXPECT_EQ(lines[2], "");
}

TEST(LogBatchTest, AnotherThreadsLinesAreItsOwn) {
  const LogBatch batch;
  const std::string other = Captured([] { std::thread([] { Info("other"); }).join(); });
  EXPECT_THAT(other, HasSubstr("\"other\""));
}

TEST(LogBatchTest, ManyLinesDoNotWaitForTheEnd) {
  std::string inside;
  Captured([&] {
    const LogBatch batch;
    for (int i = 0; i < 1000; ++i)
      Info("a line that is a hundred bytes long with all that comes with it, or rather more");
    inside = ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
  });
  EXPECT_THAT(inside, EndsWith("}\n"));
}

TEST(RedactTest, MasksWhatLooksSecret) {
  const RedactCase kCases[] = {
      {"key sk_live_abcDEF123 used", "key [redacted] used"},
      {"sk_test_1", "[redacted]"},
      {"xsk_live_1 rk_live_1,rk_test_2", "x[redacted] [redacted],[redacted]"},
      {"{\"s\":\"whsec_a+b/c==\"}", "{\"s\":\"[redacted]\"}"},
      {"rk_other", "[redacted]"},
      {"Bearer eyJhbGciOi.eyJzdWIiOi.c2ln-_.", "Bearer [redacted]."},
      {"postgresql://app:p%40ss:w@db:5432/x", "postgresql://app:[redacted]@db:5432/x"},
      {"4242424242424242", "[redacted]"},
      {"pan=4242-4242-4242-4242;", "pan=[redacted];"},
      {"4242 4242 4242 4242 exp 12", "[redacted] exp 12"},
      {"PAN4000056655665556", "PAN[redacted]"},
      {"amex 378282246310005 or 3782 822463 10005", "amex [redacted] or [redacted]"},
      {"4222222222222", "[redacted]"},        // 13 digits
      {"6205500000000000004", "[redacted]"},  // 19 digits
  };
  for (const RedactCase& c : kCases) {
    EXPECT_EQ(Redact(c.text), c.expected);
    EXPECT_TRUE(HoldsSecret(c.text)) << c.text;
  }
}

TEST(RedactTest, LeavesTheRestAlone) {
  for (std::string_view text :
       {"", "a work_item, task_live", "sk_live_", "whsec_ alone", "eyJust a word", "eyJ.", "http://host:8080/a@b",
        "4242424242424243",                              // fails Luhn's check
        "424242424242", "42424242424242424242",          // 12 and 20 digits
        "1731931200000", "1732000000000000",             // times
        "0197f3a0-1234-7123-8123-123456789012",          // a UUID
        "ab4242424242424242cdefabcdefabcdef0123456789",  // a hash
        "evt_1NG8Du2eZvKYlo2CUI79vXWy", "2025-11-20T10:21:33.123Z", "cs_test_a1b2"}) {
    EXPECT_EQ(Redact(text), text);
    EXPECT_FALSE(HoldsSecret(text)) << text;
  }
}

TEST(TraceTest, TakesWellFormedHeadersAndMakesANewSpan) {
  const TraceContext context = ContinueTrace("caller-0001", kTraceparent);
  EXPECT_EQ(context.request_id, "caller-0001");
  EXPECT_EQ(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_THAT(context.traceparent, StartsWith("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  EXPECT_THAT(context.traceparent, EndsWith("-01"));
  EXPECT_NE(context.traceparent, kTraceparent);
  EXPECT_NE(context.traceparent, ContinueTrace("caller-0001", kTraceparent).traceparent);
}

TEST(TraceTest, KeepsOnlyTheSampledFlagAndReadsLaterVersions) {
  const std::string base = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
  EXPECT_THAT(ContinueTrace("", "00-" + base + "00").traceparent, EndsWith("-00"));
  EXPECT_THAT(ContinueTrace("", "00-" + base + "0b").traceparent, EndsWith("-01"));
  const TraceContext later = ContinueTrace("", "cc-" + base + "01-what.comes.later");
  EXPECT_THAT(later.traceparent, StartsWith("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

TEST(TraceTest, MakesNewIdsWhereHeadersAreMalformed) {
  for (std::string_view bad : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                               "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                               "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                               "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                               "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                               "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                               "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"}) {
    const TraceContext context = ContinueTrace("", bad);
    EXPECT_EQ(context.traceparent.size(), 55u) << bad;
    EXPECT_NE(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736") << bad;
    EXPECT_TRUE(IsUuid(context.request_id));
  }
  for (std::string_view bad :
       {"short", "has space in it", "line\nbreak-here", "4242424242424242", "sk_live_abcdefgh"}) {
    EXPECT_TRUE(IsUuid(ContinueTrace(bad, "").request_id)) << bad;
  }
  EXPECT_TRUE(IsUuid(ContinueTrace(std::string(129, 'a'), "").request_id));
}

TEST(TraceTest, ScopesNestAndBelongToTheirThread) {
  EXPECT_EQ(CallScope::Current().request_id, "");
  {
    CallScope outer(TraceContext{"outer-id", ""});
    {
      CallScope inner(TraceContext{"inner-id", ""});
      EXPECT_EQ(CallScope::Current().request_id, "inner-id");
      std::string elsewhere = "unset";
      std::thread([&elsewhere] { elsewhere = CallScope::Current().request_id; }).join();
      EXPECT_EQ(elsewhere, "");
    }
    EXPECT_EQ(CallScope::Current().request_id, "outer-id");
  }
  EXPECT_EQ(CallScope::Current().request_id, "");
}

}  // namespace
}  // namespace billmesh::telemetry
