#include "services/edge/delivery_gatherer.h"

#include "absl/strings/str_cat.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

namespace pb = billing::webhook::v1;

// Holds calls until the test answers them.
class HeldForwarder final : public Forwarder {
 public:
  struct Held {
    pb::IngestBatchRequest request;
    ForwardDone done;
  };
  std::deque<Held> calls;
  void Forward(ForwardCall call, ForwardDone done) override {
    EXPECT_EQ(call.rpc_path, "/billing.webhook.v1.WebhookService/IngestBatch");
    Held held;
    EXPECT_TRUE(held.request.ParseFromString(call.request));
    held.done = std::move(done);
    calls.push_back(std::move(held));
  }
  // Each delivery is stored under its body as the event's id.
  void AnswerOldest() {
    Held held = std::move(calls.front());
    calls.pop_front();
    Answer(held);
  }
  void AnswerNewest() {
    Held held = std::move(calls.back());
    calls.pop_back();
    Answer(held);
  }

 private:
  static void Answer(const Held& held) {
    pb::IngestBatchResponse response;
    for (const pb::Delivery& delivery : held.request.deliveries()) {
      response.add_results()->set_provider_event_id(delivery.body());
    }
    held.done(response.SerializeAsString());
  }
};

class DeliveryGathererTest : public ::testing::Test {
 protected:
  void Submit(DeliveryGatherer& gatherer, const std::string& body) {
    pb::Delivery delivery;
    delivery.set_body(body);
    gatherer.Submit(std::move(delivery), [this, body](const absl::StatusOr<pb::DeliveryResult>& result) {
      answers_[body] = result.ok() ? result->provider_event_id() : CodeOf(ReasonOf(result.status()));
      ++answered_;
    });
  }
  void SubmitMany(DeliveryGatherer& gatherer, int count) {
    for (int i = 0; i < count; ++i) Submit(gatherer, absl::StrCat(++submitted_));
  }
  static std::vector<int> Sizes(const HeldForwarder& forwarder) {
    std::vector<int> sizes;
    for (const auto& call : forwarder.calls) sizes.push_back(call.request.deliveries_size());
    return sizes;
  }

  FakeClock clock_{absl::UnixEpoch()};
  HeldForwarder forwarder_;
  std::map<std::string, std::string> answers_;
  int submitted_ = 0, answered_ = 0;
};

TEST_F(DeliveryGathererTest, OneAloneGoesAtOnceAndTheRestGathers) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 2, .few = 1, .max_deliveries = 3});
  for (const char* body : {"a", "b", "c", "d", "e", "f", "g"}) Submit(gatherer, body);
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 1})) << "nobody waits while a call is free";
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 3})) << "what gathered goes as one, up to its bound";
  EXPECT_EQ(answered_, 1);
  forwarder_.AnswerOldest();
  forwarder_.AnswerOldest();
  forwarder_.AnswerOldest();
  EXPECT_TRUE(forwarder_.calls.empty());
  EXPECT_EQ(answered_, 7);
  for (const auto& [body, event] : answers_) EXPECT_EQ(event, body) << "each has its own result";
}

TEST_F(DeliveryGathererTest, FewAreHeldBackWhileACallHasJustBegun) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 3, .few = 3, .hold_back = absl::Milliseconds(10)});
  Submit(gatherer, "a");
  Submit(gatherer, "b");
  Submit(gatherer, "c");
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{1}) << "one alone goes at once, few wait";
  Submit(gatherer, "d");
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 3})) << "these are worth a call";
  Submit(gatherer, "e");
  clock_.Advance(absl::Milliseconds(9));
  EXPECT_FALSE(gatherer.SendGathered());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_TRUE(gatherer.SendGathered()) << "nobody is held back for longer, nor by an earlier call";
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 3, 1}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
  EXPECT_EQ(answered_, 5);
}

TEST_F(DeliveryGathererTest, CallsOfALoadGrowAlike) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.few = 3, .hold_back = absl::Milliseconds(10)});
  SubmitMany(gatherer, 1 + 20);
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{3, 17})) << "what gathered while two calls were under way";
  forwarder_.AnswerOldest();
  SubmitMany(gatherer, 14);
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{17}) << "too few beside one of that size";
  SubmitMany(gatherer, 1);
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{17, 15})) << "nine tenths";
  forwarder_.AnswerOldest();
  SubmitMany(gatherer, 12);
  clock_.Advance(absl::Milliseconds(10));
  EXPECT_TRUE(gatherer.SendGathered()) << "for a moment only";
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{15, 12}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
  EXPECT_EQ(answered_, submitted_);
}

TEST_F(DeliveryGathererTest, TheNewestCallUnderWaySaysHowManyAreEnough) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 3, .few = 2, .hold_back = absl::Milliseconds(10)});
  SubmitMany(gatherer, 1 + 2 + 2 + 10);
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{2, 2, 10}));
  forwarder_.AnswerOldest();
  SubmitMany(gatherer, 8);
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{2, 10})) << "enough beside the older one only";
  forwarder_.AnswerNewest();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{2, 8})) << "which is the newest now";
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
  EXPECT_EQ(answered_, submitted_);
}

TEST_F(DeliveryGathererTest, WhatWasHeldBackGoesWhenNoCallIsUnderWay) {
  DeliveryGatherer gatherer(forwarder_, clock_, {});
  Submit(gatherer, "a");
  Submit(gatherer, "b");
  Submit(gatherer, "c");
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{2});
  EXPECT_EQ(answered_, 1);
  forwarder_.AnswerOldest();
  EXPECT_EQ(answered_, 3);
}

TEST_F(DeliveryGathererTest, WhatFillsACallIsNotHeldBack) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 3, .max_bytes = 10});
  for (const char* body : {"first", "12345", "6789"}) Submit(gatherer, body);
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{1});
  Submit(gatherer, "0");
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 3}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
}

TEST_F(DeliveryGathererTest, NothingIsHeldBackWhileItDrains) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 3});
  Submit(gatherer, "a");
  Submit(gatherer, "b");
  gatherer.StopHoldingBack();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 1}));
  Submit(gatherer, "c");
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 1, 1}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
}

TEST_F(DeliveryGathererTest, ASlowCallHoldsUpItsOwnDeliveriesOnly) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 1, .slow_after = absl::Seconds(1), .max_slow_calls = 2});
  Submit(gatherer, "locked 1");
  Submit(gatherer, "a");
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{1});
  clock_.Advance(absl::Seconds(2));
  Submit(gatherer, "locked 2");
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 2})) << "what waited goes too";
  clock_.Advance(absl::Seconds(2));
  Submit(gatherer, "locked 3");
  clock_.Advance(absl::Seconds(2));
  Submit(gatherer, "b");
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 2, 1})) << "slow ones are bounded too";
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{2, 1, 1}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
  EXPECT_EQ(answered_, 5);
}

TEST_F(DeliveryGathererTest, WhatWaitsForSlowCallsGoesWithoutAnotherDelivery) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 1, .slow_after = absl::Seconds(1)});
  Submit(gatherer, "locked");
  Submit(gatherer, "a");
  EXPECT_FALSE(gatherer.SendGathered()) << "not slow yet";
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(gatherer.SendGathered());
  EXPECT_EQ(Sizes(forwarder_), (std::vector<int>{1, 1}));
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
}

TEST_F(DeliveryGathererTest, ACallsBytesAreBoundedButOneAlwaysFits) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 1, .max_bytes = 10});
  Submit(gatherer, "first");
  for (const char* body : {"123456789012345", "1234567", "890", "x"}) Submit(gatherer, body);
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{1});
  forwarder_.AnswerOldest();
  EXPECT_EQ(Sizes(forwarder_), std::vector<int>{2});
}

TEST_F(DeliveryGathererTest, AFullQueueAnswersAtOnce) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 1, .max_waiting = 2, .max_waiting_bytes = 8});
  for (const char* body : {"a", "b", "c", "d"}) Submit(gatherer, body);
  EXPECT_EQ(answers_, (std::map<std::string, std::string>{{"d", "overloaded"}}));
  DeliveryGatherer small(forwarder_, clock_, {.max_calls = 0, .max_waiting_bytes = 8});
  Submit(small, "12345");
  Submit(small, "6789");
  EXPECT_EQ(answers_["6789"], "overloaded");
  while (!forwarder_.calls.empty()) forwarder_.AnswerOldest();
}

TEST_F(DeliveryGathererTest, AFailedCallFailsItsOwnDeliveriesOnly) {
  DeliveryGatherer gatherer(forwarder_, clock_, {.max_calls = 1});
  for (const char* body : {"a", "b", "c"}) Submit(gatherer, body);
  auto held = std::move(forwarder_.calls.front());
  forwarder_.calls.pop_front();
  held.done(Fail(Reason::FAILURE_REASON_PEER_UNAVAILABLE, "away"));
  EXPECT_EQ(answers_["a"], "peer_unavailable");
  forwarder_.AnswerOldest();
  EXPECT_EQ(answers_["b"], "b");
  EXPECT_EQ(answers_["c"], "c");
}

TEST_F(DeliveryGathererTest, ARefusedDeliveryKeepsItsReason) {
  DeliveryGatherer gatherer(forwarder_, clock_, {});
  Submit(gatherer, "a");
  auto held = std::move(forwarder_.calls.front());
  forwarder_.calls.pop_front();
  const grpc::Status refused =
      rpc::ToGrpc(Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, "no", {{"cause", "mismatch"}}));
  pb::IngestBatchResponse response;
  ASSERT_TRUE(response.add_results()->mutable_refusal()->ParseFromString(refused.error_details()));
  held.done(response.SerializeAsString());
  EXPECT_EQ(answers_["a"], "webhook_signature_invalid");
}

TEST_F(DeliveryGathererTest, AnAnswerThatIsNoneIsAFault) {
  DeliveryGatherer gatherer(forwarder_, clock_, {});
  Submit(gatherer, "a");
  Submit(gatherer, "b");
  for (const std::string& response : {std::string("\xff\xff"), std::string()}) {
    auto held = std::move(forwarder_.calls.front());
    forwarder_.calls.pop_front();
    held.done(response);
  }
  EXPECT_EQ(answers_["a"], CodeOf(Reason::FAILURE_REASON_UNSPECIFIED));
  EXPECT_EQ(answers_["b"], CodeOf(Reason::FAILURE_REASON_UNSPECIFIED)) << "an answer for nobody";
}

}  // namespace
}  // namespace billmesh::edge
