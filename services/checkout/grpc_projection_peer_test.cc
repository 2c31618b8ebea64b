#include "services/checkout/grpc_projection_peer.h"

#include "common/rpc/call.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

namespace pb = billing::webhook::v1;

// Keeps what it was asked, and answers as it is told.
class Webhook final : public pb::ProjectionService::Service {
 public:
  grpc::Status Project(grpc::ServerContext*, const pb::ProjectRequest* request,
                       pb::ProjectResponse* response) override {
    asked = *request;
    *response = answer;
    return status;
  }
  pb::ProjectRequest asked;
  pb::ProjectResponse answer;
  grpc::Status status = grpc::Status::OK;
};

class GrpcProjectionPeerTest : public ::testing::Test {
 protected:
  GrpcProjectionPeerTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&webhook_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials());
  }
  void Answer(std::initializer_list<pb::ProjectionOutcome> outcomes) {
    webhook_.answer.clear_results();
    for (const pb::ProjectionOutcome outcome : outcomes) webhook_.answer.add_results()->set_outcome(outcome);
  }
  absl::Status Project(absl::Duration timeout = absl::Seconds(10)) {
    return GrpcProjectionPeer(channel_).Project("stripe", objects_, timeout);
  }

  const std::vector<FetchedObject> objects_ = {
      {"checkout_session", R"({"id":"cs_1"})", absl::FromUnixSeconds(1790000000)},
      {"subscription", R"({"id":"sub_1"})", absl::FromUnixSeconds(1790000001)}};
  int port_ = 0;
  Webhook webhook_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcProjectionPeerTest, ObjectsArriveWithTheirDatesInOrder) {
  Answer({pb::PROJECTION_OUTCOME_CHANGED, pb::PROJECTION_OUTCOME_UNCHANGED});
  ASSERT_TRUE(Project().ok());
  EXPECT_EQ(webhook_.asked.provider(), "stripe");
  ASSERT_EQ(webhook_.asked.objects_size(), 2);
  EXPECT_EQ(webhook_.asked.objects(0).kind(), "checkout_session");
  EXPECT_EQ(webhook_.asked.objects(0).object_json(), R"({"id":"cs_1"})");
  EXPECT_EQ(webhook_.asked.objects(0).provider_date().seconds(), 1790000000);
  EXPECT_EQ(webhook_.asked.objects(1).kind(), "subscription");
  EXPECT_EQ(webhook_.asked.objects(1).provider_date().seconds(), 1790000001);
}

TEST_F(GrpcProjectionPeerTest, AnObjectThatCouldNotBeAppliedIsNoErrorOfTheCall) {
  Answer({pb::PROJECTION_OUTCOME_UNBOUND, pb::PROJECTION_OUTCOME_REFUSED});
  EXPECT_TRUE(Project().ok());
}

TEST_F(GrpcProjectionPeerTest, AnAnswerForAnotherNumberOfObjectsIsAFault) {
  Answer({pb::PROJECTION_OUTCOME_CHANGED});
  EXPECT_EQ(Project().code(), absl::StatusCode::kInternal);
}

TEST_F(GrpcProjectionPeerTest, ThePeersReasonsAreKept) {
  webhook_.status = rpc::ToGrpc(Fail(Reason::FAILURE_REASON_OVERLOADED, "busy"));
  EXPECT_EQ(ReasonOf(Project()), Reason::FAILURE_REASON_OVERLOADED);
}

TEST_F(GrpcProjectionPeerTest, APeerThatIsAwayIsSaidSo) {
  server_->Shutdown();
  EXPECT_EQ(ReasonOf(Project(absl::Seconds(5))), Reason::FAILURE_REASON_PEER_UNAVAILABLE);
}

}  // namespace
}  // namespace billmesh::checkout
