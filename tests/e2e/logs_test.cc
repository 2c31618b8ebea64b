// What the daemons write on standard error (OBS-3): JSON lines only, under the ids of the request that caused them.
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/crypto/crypto.h"
#include "common/http/test_sockets.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using nlohmann::json;
using testing::HttpAnswer;
using testing::Mesh;
using testing::WaitUntil;

constexpr const char* kDaemons[] = {"checkout", "webhook", "entitlements", "reconciler", "edge"};

class LogsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new Mesh; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  // The whole lines of a daemon's log; one that is no JSON object is discarded() or no object.
  static std::vector<json> LinesOf(const std::string& daemon) {
    std::ifstream file(mesh_->work_directory() + "/" + daemon + ".log");
    std::vector<json> lines;
    // A last line without its end is still being written.
    for (std::string line; std::getline(file, line) && !file.eof();) lines.push_back(json::parse(line, nullptr, false));
    return lines;
  }
  static std::string Member(const json& line, const char* name) {
    const auto it = line.is_object() ? line.find(name) : line.end();
    return line.is_object() && it != line.end() && it->is_string() ? it->get<std::string>() : "";
  }
  // The first line with this message under these ids; waits for it. Null if none comes.
  static json Find(const std::string& daemon, const std::string& message, const std::string& request_id,
                   const std::string& trace_id) {
    json found;
    WaitUntil([&] {
      for (const json& line : LinesOf(daemon)) {
        if (Member(line, "msg") != message || Member(line, "request_id") != request_id) continue;
        if (Member(line, "trace_id") != trace_id) continue;
        found = line;
        return true;
      }
      return false;
    });
    return found;
  }
  static int PortOf(const std::string& daemon) {
    const std::string address = mesh_->grpc_address(daemon);
    return std::stoi(address.substr(address.rfind(':') + 1));
  }

  static Mesh* mesh_;
};

Mesh* LogsTest::mesh_ = nullptr;

TEST_F(LogsTest, ACheckoutIsFoundUnderItsIdsAtEachHop) {
  const std::string entity = mesh_->AddWorkspace("logs", "user_logs");
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const json order = {{"planCode", "pro-monthly-v1"}, {"successPath", "/billing/done"}, {"cancelPath", "/billing"}};
  const HttpAnswer started = mesh_->Send("POST", mesh_->edge_url() + "/api/billing/checkout", order.dump(),
                                         {{"Authorization", "Bearer " + mesh_->Token("user_logs")},
                                          {"Content-Type", "application/json"},
                                          {"Idempotency-Key", "key-logs"},
                                          {"X-Request-Id", "checkout-request-1"},
                                          {"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}});
  ASSERT_EQ(started.status, 200) << started.body;
  EXPECT_EQ(Find("edge", "request", "checkout-request-1", trace).value("status", ""), "200");
  const json line = Find("checkout", "operation succeeded", "checkout-request-1", trace);
  EXPECT_EQ(line.value("entity_id", ""), entity) << line;
  EXPECT_EQ(line.value("operation_key", ""), mesh_->Value("SELECT operation_key FROM billing.request_idempotency"));
}

TEST_F(LogsTest, ADeliveryIsFoundUnderItsIdsAtEachHop) {
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  const json object = {{"id", "prod_1"}, {"object", "product"}, {"description", "not to be repeated"}};
  const std::string event = json({{"id", "evt_logs"},
                                  {"object", "event"},
                                  {"api_version", "2026-10-28.endive"},
                                  {"created", 1790000000},
                                  {"livemode", false},
                                  {"type", "product.created"},
                                  {"data", {{"object", object}}}})
                                .dump();
  const std::string at = absl::StrCat(absl::ToUnixSeconds(absl::Now()));
  const std::string mac = crypto::HmacSha256Hex(mesh_->webhook_secret(), at + "." + event);
  for (const char* outcome : {"ignored", "duplicate"}) {
    const std::string request_id = std::string("delivery-") + outcome;
    const HttpAnswer delivered = mesh_->Send("POST", mesh_->edge_url() + "/api/billing/webhooks/stripe", event,
                                             {{"Content-Type", "application/json"},
                                              {"Stripe-Signature", "t=" + at + ",v1=" + mac},
                                              {"X-Request-Id", request_id},
                                              {"traceparent", "00-" + trace + "-b7ad6b7169203331-01"}});
    ASSERT_EQ(delivered.status, 200) << delivered.body;
    EXPECT_EQ(Find("edge", "request", request_id, trace).value("status", ""), "200");
    const json line = Find("webhook", "event stored", request_id, trace);
    EXPECT_EQ(line.value("provider_event_id", ""), "evt_logs") << line;
    EXPECT_EQ(line.value("type", ""), "product.created");
    EXPECT_EQ(line.value("outcome", ""), outcome);
    EXPECT_EQ(line.dump().find("not to be repeated"), std::string::npos);
  }
}

TEST_F(LogsTest, EveryLineIsJsonThoughAStrangerKnocks) {
  for (const char* daemon : {"checkout", "webhook", "entitlements", "reconciler"}) {
    http::RawConnection stranger = http::RawConnection::To(PortOf(daemon));
    EXPECT_TRUE(stranger.Send("GET / HTTP/1.1\r\nHost: billmesh\r\n\r\n"));
    stranger.FinishWriting();
    stranger.ReadToEnd();
    // gRPC complains of it in its own words, and no stranger makes errors of ours.
    json complaint;
    EXPECT_TRUE(WaitUntil([&] {
      for (const json& line : LinesOf(daemon)) {
        if (Member(line, "msg") == "grpc" && Member(line, "detail").find("andshake") != std::string::npos)
          complaint = line;
      }
      return !complaint.is_null();
    })) << daemon;
    EXPECT_EQ(Member(complaint, "level"), "info") << complaint;
  }
  for (const char* daemon : kDaemons) {
    const std::vector<json> lines = LinesOf(daemon);
    EXPECT_FALSE(lines.empty()) << daemon;
    for (const json& line : lines) {
      ASSERT_TRUE(line.is_object()) << "a line of " << daemon << " is no JSON";
      for (const char* name : {"ts", "level", "msg"}) EXPECT_NE(Member(line, name), "") << daemon << ": " << line;
      EXPECT_EQ(Member(line, "service"), daemon);
    }
  }
}

}  // namespace
}  // namespace billmesh
