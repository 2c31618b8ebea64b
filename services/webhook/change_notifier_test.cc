#include "services/webhook/change_notifier.h"

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
    std::lock_guard lock(mutex_);
    for (const pb::EntityRevision& change : request->changes()) heard_[change.entity_id()] = change.revision();
    return grpc::Status::OK;
  }
  std::map<std::string, int64_t> heard() {
    std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  std::mutex mutex_;
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

TEST(ChangeNotifierTest, AListenerThatIsAwayCostsNothing) {
  Host host;
  const auto channel = host.Channel();
  host.server->Shutdown();
  GrpcChangeNotifier notifier(channel, absl::Milliseconds(200));
  for (int i = 0; i < 10 * GrpcChangeNotifier::kMaxInFlight; ++i) notifier.Notify({{"entity_a", i}});
}

}  // namespace
}  // namespace billmesh::webhook
