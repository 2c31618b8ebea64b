#include "common/stripe/client_gate.h"

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

using provider::Priority;

void AwaitWaiting(const CallGate& gate, size_t count) {
  ASSERT_TRUE(testing::WaitUntil([&] { return gate.waiting() == count; }));
}

TEST(CallGateTest, GivesUpWhenNoPlaceIsHadInTime) {
  CallGate gate(1);
  const CallGate::Place first = gate.Enter(Priority::kInteractive, absl::ZeroDuration());
  EXPECT_TRUE(first);
  EXPECT_FALSE(gate.Enter(Priority::kInteractive, absl::Milliseconds(5)));
  EXPECT_EQ(gate.waiting(), 0u);
}

TEST(CallGateTest, APlaceIsGivenBackWhenTheCallEnds) {
  CallGate gate(2);
  for (int i = 0; i < 10; ++i) {
    const CallGate::Place a = gate.Enter(Priority::kBackground, absl::ZeroDuration());
    const CallGate::Place b = gate.Enter(Priority::kInteractive, absl::ZeroDuration());
    EXPECT_TRUE(a && b);
  }
}

TEST(CallGateTest, InteractiveCallsGoBeforeBackgroundOnesThatCameFirst) {
  CallGate gate(1);
  std::mutex mutex;
  std::vector<std::string> order;  // guarded by mutex
  std::vector<std::thread> calls;
  const auto call = [&](Priority priority, const char* name) {
    calls.emplace_back([&, priority, name] {
      const CallGate::Place place = gate.Enter(priority, absl::Seconds(20));
      std::lock_guard lock(mutex);
      order.push_back(place ? name : "late");
    });
  };
  {
    const CallGate::Place busy = gate.Enter(Priority::kBackground, absl::ZeroDuration());
    call(Priority::kBackground, "background 1");
    AwaitWaiting(gate, 1);
    call(Priority::kBackground, "background 2");
    AwaitWaiting(gate, 2);
    call(Priority::kInteractive, "interactive 1");
    AwaitWaiting(gate, 3);
    call(Priority::kInteractive, "interactive 2");
    AwaitWaiting(gate, 4);
  }
  for (auto& thread : calls) thread.join();
  EXPECT_EQ(order, (std::vector<std::string>{"interactive 1", "interactive 2", "background 1", "background 2"}));
}

TEST(CallGateTest, AWaiterThatGivesUpLetsTheNextOneGo) {
  CallGate gate(1);
  bool had = false;
  std::thread second;
  {
    const CallGate::Place busy = gate.Enter(Priority::kInteractive, absl::ZeroDuration());
    std::thread first([&] { EXPECT_FALSE(gate.Enter(Priority::kInteractive, absl::Milliseconds(50))); });
    AwaitWaiting(gate, 1);
    second = std::thread([&] { had = static_cast<bool>(gate.Enter(Priority::kBackground, absl::Seconds(20))); });
    first.join();
    AwaitWaiting(gate, 1);
  }
  second.join();
  EXPECT_TRUE(had);
}

}  // namespace
}  // namespace billmesh::stripe
