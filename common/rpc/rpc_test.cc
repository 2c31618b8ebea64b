#include <atomic>
#include <condition_variable>

#include "common/rpc/call.h"
#include "common/rpc/executor.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::rpc {
namespace {

TEST(StatusConversionTest, ReasonsSurviveTheWire) {
  const absl::Status original = Fail(Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN, "open", {{"url", "https://x"}});
  const grpc::Status sent = ToGrpc(original);
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const absl::Status received = FromGrpc(sent);
  EXPECT_EQ(ReasonOf(received), Reason::FAILURE_REASON_CHECKOUT_SESSION_OPEN);
  EXPECT_EQ(MetadataOf(received).at("url"), "https://x");
}

TEST(StatusConversionTest, ForeignErrorsLoseTheirText) {
  const grpc::Status sent = ToGrpc(absl::InternalError("password=hunter2"));
  EXPECT_EQ(sent.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(sent.error_message(), "internal error");
  EXPECT_EQ(sent.error_details().find("hunter2"), std::string::npos);
}

TEST(StatusConversionTest, BrokenChannelIsPeerUnavailable) {
  EXPECT_EQ(ReasonOf(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "failed to connect"))),
            Reason::FAILURE_REASON_PEER_UNAVAILABLE);
  EXPECT_EQ(ReasonOf(FromGrpc(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, ""))),
            Reason::FAILURE_REASON_DEADLINE_EXCEEDED);
}

TEST(ExecutorTest, RefusesAtOnceWhenFullAndRunsTheRest) {
  std::mutex mutex;
  std::condition_variable changed;
  bool started = false, open = false;
  std::atomic<int> ran = 0;
  {
    Executor executor(1, 2);
    ASSERT_TRUE(executor.TrySubmit([&] {
      std::unique_lock lock(mutex);
      started = true;
      changed.notify_all();
      changed.wait(lock, [&] { return open; });
      ++ran;
    }));
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return started; });
    }
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_FALSE(executor.TrySubmit([&] { ++ran; }));
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace billmesh::rpc
