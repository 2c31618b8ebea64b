#include "services/webhook/change_notifier.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

namespace pb = billing::entitlements::v1;

class Listener final : public pb::EntitlementsService::Service {
 public:
  grpc::Status NotifyChanges(grpc::ServerContext*, const pb::NotifyChangesRequest* request,
                             pb::NotifyChangesResponse*) override {
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.notify_all();
    for (const pb::EntityRevision& change : request->changes()) heard_[change.entity_id()] = change.revision();
    changed_.wait(lock, [this] { return !holds_; });
    return grpc::Status::OK;
  }
  int calls() {
    std::lock_guard lock(mutex_);
    return calls_;
  }
  // Whether calls are kept waiting for their answer.
  void Hold(bool holds) {
    std::lock_guard lock(mutex_);
    holds_ = holds;
    changed_.notify_all();
  }
  bool WaitForCalls(int calls) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return calls_ >= calls; });
  }
  std::map<std::string, int64_t> heard() {
    std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool holds_ = false;                    // guarded by mutex_
  int calls_ = 0;                         // guarded by mutex_
  std::map<std::string, int64_t> heard_;  // guarded by mutex_
};

struct Host {
  Host() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&listener);
    server = builder.BuildAndStart();
  }
  std::shared_ptr<grpc::Channel> Channel() const {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  }
  int port = 0;
  Listener listener;
  std::unique_ptr<grpc::Server> server;
};

TEST(ChangeNotifierTest, HintsArriveAndTheEndWaitsForThem) {
  Host host;
  {
    GrpcChangeNotifier notifier(host.Channel(), absl::Seconds(10));
    notifier.Notify({{"entity_a", 3}, {"entity_b", 7}});
    notifier.Notify({});
  }
  EXPECT_EQ(host.listener.heard(), (std::map<std::string, int64_t>{{"entity_a", 3}, {"entity_b", 7}}));
}

TEST(ChangeNotifierTest, WhatChangesWhileOneIsUnderWayGoesAsOneWithTheLatestRevision) {
  Host host;
  host.listener.Hold(true);
  {
    GrpcChangeNotifier notifier(host.Channel(), absl::Seconds(30));
    notifier.Notify({{"entity_a", 1}});
    ASSERT_TRUE(host.listener.WaitForCalls(1));
    for (int64_t revision = 2; revision <= 100; ++revision) notifier.Notify({{"entity_a", revision}});
    notifier.Notify({{"entity_b", 5}, {"entity_a", 99}});
    host.listener.Hold(false);
  }
  EXPECT_EQ(host.listener.calls(), 2);
  EXPECT_EQ(host.listener.heard(), (std::map<std::string, int64_t>{{"entity_a", 100}, {"entity_b", 5}}));
}

TEST(ChangeNotifierTest, WhatChangesAfterAnAnswerGoesByItself) {
  Host host;
  GrpcChangeNotifier notifier(host.Channel(), absl::Seconds(30));
  notifier.Notify({{"entity_a", 1}});
  ASSERT_TRUE(host.listener.WaitForCalls(1));
  notifier.Notify({{"entity_a", 2}});
  EXPECT_TRUE(host.listener.WaitForCalls(2));  // without being ended
  EXPECT_EQ(host.listener.heard(), (std::map<std::string, int64_t>{{"entity_a", 2}}));
}

TEST(ChangeNotifierTest, AListenerThatIsAwayCostsNothing) {
  Host host;
  const auto channel = host.Channel();
  host.server->Shutdown();
  GrpcChangeNotifier notifier(channel, absl::Milliseconds(200));
  for (size_t i = 0; i < 2 * GrpcChangeNotifier::kMaxWaiting; ++i) {
    notifier.Notify({{"entity_" + std::to_string(i), 1}});
  }
}

}  // namespace
}  // namespace billmesh::webhook
