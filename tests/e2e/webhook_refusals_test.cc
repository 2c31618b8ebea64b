// What is forged or broken leaves no trace but a counter, and takes nothing from those who deliver rightly (WHK-1):
// tables of deliveries, byte by byte, at the built edge and webhook daemon.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/http/test_sockets.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/e2e/forged_deliveries.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using http::RawConnection;
using nlohmann::json;
using testing::Mesh;
using testing::RawDelivery;

constexpr const char* kDaemons[] = {"edge", "webhook"};
constexpr char kSignatureFailures[] = "billmesh_webhook_signature_failures_total";
// Of an answer to what the edge gives 30 s: one poll of a bare socket is ten seconds.
constexpr int kPatientPolls = 5;
constexpr int kFloodThreads = 8, kFloodOfEach = 500;
constexpr size_t kMaxBody = 256 << 10;
// What thousands of refused deliveries may leave in a daemon that has seen some before.
constexpr int64_t kMaxGrowthKib = 4 << 10;

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

struct RawAnswer {
  int status = 0;  // 0: none came
  std::string head;
  json body;
  std::string code() const { return body.is_object() ? body.value("code", "") : ""; }
};

RawAnswer Parse(const std::string& message) {
  RawAnswer answer;
  const size_t end = message.find("\r\n\r\n");
  if (message.size() < 12 || end == std::string::npos) return answer;
  answer.head = message.substr(0, end);
  if (!absl::SimpleAtoi(message.substr(9, 3), &answer.status)) answer.status = 0;
  answer.body = json::parse(message.substr(end + 4), nullptr, false);
  return answer;
}

class WebhookRefusalsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  static testing::Sender Sender() { return {mesh_->webhook_secret(), mesh_->thin_webhook_secret(), Now()}; }
  static RawConnection Connect() {
    return RawConnection::To(std::stoi(mesh_->edge_url().substr(mesh_->edge_url().rfind(':') + 1)));
  }
  static RawAnswer Deliver(const RawDelivery& delivery) {
    RawConnection connection = Connect();
    connection.Send(delivery.bytes);
    if (delivery.hangs_up) connection.FinishWriting();
    return Parse(connection.ReadMessage());
  }
  // Everything that a delivery could leave.
  static std::string Stored() {
    return mesh_->Value(
        "SELECT concat_ws(' ', (SELECT count(*) FROM billing.webhook_events), (SELECT count(*) FROM "
        "billing.webhook_event_keys), (SELECT count(*) FROM billing.audit_log), (SELECT count(*) FROM "
        "billing.outbox_jobs), (SELECT count(*) FROM billing.change_feed))");
  }
  // Refused signatures by cause, of both daemons.
  static std::map<std::string, int> SignatureFailures() {
    std::map<std::string, int> failures;
    for (const char* daemon : kDaemons) {
      const std::string metrics = mesh_->Send("GET", mesh_->probe_url(daemon) + "/metrics").body;
      for (const auto line : absl::StrSplit(metrics, '\n')) {
        if (!absl::StartsWith(line, kSignatureFailures)) continue;
        const std::vector<std::string> parts = absl::StrSplit(line, '"');
        int count = 0;
        EXPECT_TRUE(parts.size() == 3 && absl::SimpleAtoi(parts[2].substr(1), &count)) << line;
        if (parts.size() == 3) failures[parts[1]] += count;
      }
    }
    return failures;
  }
  static void ExpectAnswer(const RawDelivery& delivery, const RawAnswer& answer) {
    EXPECT_EQ(answer.status, delivery.status) << answer.head << "\n" << answer.body;
    EXPECT_EQ(answer.code(), delivery.code) << answer.body;
    EXPECT_TRUE(absl::StrContains(answer.head, delivery.answer)) << answer.head;
  }
  static void ExpectReady() {
    for (const char* daemon : kDaemons) EXPECT_TRUE(mesh_->Ready(daemon)) << daemon;
  }
  // Each alone: its answer, its count, and no trace.
  static void ExpectRefused(const std::vector<RawDelivery>& deliveries) {
    const std::string stored = Stored();
    std::map<std::string, int> failures = SignatureFailures();
    for (const RawDelivery& delivery : deliveries) {
      SCOPED_TRACE(delivery.name);
      ExpectAnswer(delivery, Deliver(delivery));
      if (!delivery.cause.empty()) ++failures[delivery.cause];
      EXPECT_EQ(SignatureFailures(), failures);
      failures = SignatureFailures();
      EXPECT_EQ(Stored(), stored);
      ExpectReady();
    }
    std::printf("refusals: %zu refused\n", deliveries.size());
  }
  // Many at once, of all kinds; every third has a body of full size. Returns how many there were.
  static int Flood(const std::vector<RawDelivery>& deliveries, int of_each) {
    std::atomic<int> refused = 0, wrong = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kFloodThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < of_each; ++i) {
          const size_t at = i % 3 == 0 ? 0 : static_cast<size_t>(thread * 7 + i) % deliveries.size();
          ++(Deliver(deliveries[at]).status == deliveries[at].status ? refused : wrong);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0) << "of " << refused + wrong;
    return refused;
  }

  static inline Mesh* mesh_ = nullptr;
};

TEST_F(WebhookRefusalsTest, ForgedSignaturesLeaveNothingButTheirCount) { ExpectRefused(ForgedSignatures(Sender())); }

TEST_F(WebhookRefusalsTest, SignedPayloadsThatAreNoEventsAreNotStored) { ExpectRefused(BrokenPayloads(Sender())); }

TEST_F(WebhookRefusalsTest, BrokenRequestsAreEndedByTheServer) { ExpectRefused(BrokenRequests(Sender())); }

TEST_F(WebhookRefusalsTest, RequestsThatNeverEndAreEndedByTheTimeLimit) {
  const std::vector<RawDelivery> endless = EndlessRequests(Sender());
  const std::string stored = Stored();
  std::vector<RawConnection> connections;
  for (const RawDelivery& delivery : endless) {
    connections.push_back(Connect());
    EXPECT_TRUE(connections.back().Send(delivery.bytes));
  }
  for (size_t i = 0; i < endless.size(); ++i) {
    SCOPED_TRACE(endless[i].name);
    std::string message;
    // A little more now and then doesn't move the limit.
    for (int poll = 0; poll < kPatientPolls && message.empty(); ++poll) {
      message = connections[i].ReadMessage();
      if (message.empty() && endless[i].bytes.find("chunked") != std::string::npos) connections[i].Send("1\r\n \r\n");
    }
    ExpectAnswer(endless[i], Parse(message));
    connections[i].ReadToEnd();
    EXPECT_TRUE(connections[i].closed());
  }
  EXPECT_EQ(Stored(), stored);
  ExpectReady();
}

TEST_F(WebhookRefusalsTest, WhatTheProvidersClientTakesIsTaken) {
  const std::vector<RawDelivery> odd = AcceptedOddities(Sender());
  const std::map<std::string, int> failures = SignatureFailures();
  for (size_t i = 0; i < odd.size(); ++i) {
    SCOPED_TRACE(odd[i].name);
    const RawAnswer answer = Deliver(odd[i]);
    ExpectAnswer(odd[i], answer);
    EXPECT_TRUE(answer.body.is_object() && !answer.body.value("duplication", true)) << answer.body;
    EXPECT_EQ(
        mesh_->Value(absl::StrCat(
            "SELECT status, status_reason FROM billing.webhook_events WHERE provider_event_id = 'evt_odd_", i, "'")),
        "ignored|unknown_type");
  }
  EXPECT_EQ(SignatureFailures(), failures);
  std::printf("refusals: %zu oddities taken\n", odd.size());
}

TEST_F(WebhookRefusalsTest, ARefusedDeliveryDoesNotHoldUpTheNextOnItsConnection) {
  const testing::Sender sender = Sender();
  const std::string good =
      testing::SignedRequest(testing::UnknownEvent("evt_next", sender.now), sender.secret, sender.now);
  const std::string again = testing::UnknownEvent("evt_after", sender.now);
  RawConnection connection = Connect();
  // All at once, as no client needs to wait for answers.
  ASSERT_TRUE(
      connection.Send(absl::StrCat(ForgedSignatures(sender).front().bytes, good, BrokenPayloads(sender).front().bytes,
                                   testing::SignedRequest(again, sender.secret, sender.now))));
  for (const int status : {400, 200, 400, 200}) EXPECT_EQ(Parse(connection.ReadMessage()).status, status);
  EXPECT_EQ(
      mesh_->Value("SELECT count(*) FROM billing.webhook_events WHERE provider_event_id IN ('evt_next', 'evt_after')"),
      "2");
  // Behind a body that wasn't read, nothing can be told apart: the connection ends, and what came behind it is not
  // taken.
  const std::string large = testing::UnknownEventOfSize("evt_large", sender.now, kMaxBody + 1);
  const std::string lost = testing::UnknownEvent("evt_lost", sender.now);
  RawConnection ended = Connect();
  ended.Send(testing::SignedRequest(large, sender.secret, sender.now) +
             testing::SignedRequest(lost, sender.secret, sender.now));
  EXPECT_EQ(Parse(ended.ReadMessage()).status, 413);
  EXPECT_EQ(ended.ReadToEnd(), "");
  EXPECT_EQ(
      mesh_->Value("SELECT count(*) FROM billing.webhook_events WHERE provider_event_id IN ('evt_large', 'evt_lost')"),
      "0");
}

TEST_F(WebhookRefusalsTest, ThousandsOfThemLeaveMemoryFlat) {
  const testing::Sender sender = Sender();
  const std::string full = testing::UnknownEventOfSize("evt_full", sender.now, kMaxBody);
  std::vector<RawDelivery> deliveries = {
      {"another secret, full size", testing::SignedRequest(full, "whsec_other", sender.now), 400, "", ""}};
  for (const auto& some : {ForgedSignatures(sender), BrokenPayloads(sender), BrokenRequests(sender)}) {
    deliveries.insert(deliveries.end(), some.begin(), some.end());
  }
  const std::string stored = Stored();
  Flood(deliveries, kFloodOfEach);  // until the allocator has what it keeps for each thread
  std::map<std::string, int64_t> before;
  for (const char* daemon : kDaemons) before[daemon] = mesh_->process(daemon).ResidentKib();
  const int refused = Flood(deliveries, kFloodOfEach);
  for (const char* daemon : kDaemons) {
    const int64_t after = mesh_->process(daemon).ResidentKib();
    std::printf("refusals: %s %lld KiB resident, %lld KiB after %d more refused\n", daemon,
                static_cast<long long>(before[daemon]), static_cast<long long>(after), refused);
#ifndef BILLMESH_SANITIZED  // a sanitizer keeps what is freed
    EXPECT_LE(after - before[daemon], kMaxGrowthKib) << daemon;
#endif
  }
  EXPECT_EQ(Stored(), stored);
  ExpectReady();
  const RawDelivery right = {
      "right", testing::SignedRequest(testing::UnknownEvent("evt_right", Now()), sender.secret, Now()), 200, "", ""};
  ExpectAnswer(right, Deliver(right));
}

}  // namespace
}  // namespace billmesh
