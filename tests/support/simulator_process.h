// A Stripe simulator of a test's own, on a free port of 127.0.0.1. Every request is also checked against the reference
// data's schemas where they are; a request that they refuse fails the test when the simulator ends, whatever the test
// was about.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http/client.h"
#include "common/testing/process.h"
#include "common/testing/shared_data.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/request_schemas.h"

namespace billmesh::testing {

class SimulatorProcess {
 public:
  explicit SimulatorProcess(std::string secret_key) : secret_key_(std::move(secret_key)), directory_(NewDirectory()) {
    std::filesystem::create_directories(directory_);
    const std::string port_file = directory_ + "/port";
    std::vector<std::string> argv = {RequiredEnv("BILLMESH_BIN_DIR") + "/tests/stripesim/stripesim",
                                     "--listen=127.0.0.1:0", "--port-file=" + port_file, "--secret-key=" + secret_key_};
    const std::string schemas = RequestSchemasFile();
    if (!schemas.empty()) argv.push_back("--schemas=" + schemas);
    process_ = std::make_unique<Process>(argv, std::map<std::string, std::string>{}, directory_ + "/log");
    const bool up = WaitUntil([&] {
      url_ = "http://127.0.0.1:" + ReadWholeFile(port_file);
      while (url_.back() == '\n') url_.pop_back();
      return url_.back() != ':' && Send("GET", "/_sim/health").status == 200;
    });
    EXPECT_TRUE(up) << "the simulator doesn't answer: " << ReadWholeFile(directory_ + "/log");
  }
  ~SimulatorProcess() {
    if (!killed_) CheckRequests();
    process_.reset();
    std::filesystem::remove_all(directory_);
  }
  SimulatorProcess(const SimulatorProcess&) = delete;

  const std::string& url() const { return url_; }
  // Ends it, for tests of a provider that is away.
  void Kill() {
    CheckRequests();
    killed_ = true;
    process_->Signal(SIGKILL);
    EXPECT_TRUE(process_->Wait(absl::Seconds(10)).has_value());
  }
  nlohmann::json Summary() { return nlohmann::json::parse(Send("GET", "/_sim/summary").body, nullptr, false); }
  // `target` is a path, or a whole URL of the simulator's.
  http::ClientResponse Send(const std::string& method, const std::string& target, const std::string& body = "",
                            std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::ClientRequest request;
    request.method = method;
    request.url = target.front() == '/' ? url_ + target : target;
    request.body = body;
    request.headers = std::move(headers);
    request.headers.emplace_back("Authorization", "Bearer " + secret_key_);
    return client_.Send(request).response;
  }

 private:
  static std::string NewDirectory() {
    static std::atomic<int> number = 0;
    return ::testing::TempDir() + "billmesh_sim_" + std::to_string(::getpid()) + "_" + std::to_string(++number);
  }
  void CheckRequests() {
    const nlohmann::json summary = Summary();
    if (!summary.is_object() || !summary.contains("schema_violations")) {
      ADD_FAILURE() << "the simulator doesn't say what it was sent: " << summary;
      return;
    }
    EXPECT_EQ(summary.at("schema_violations"), 0) << "a request that the provider's schema refuses";
  }

  const std::string secret_key_, directory_;
  http::Client client_{http::ClientOptions{}};
  std::unique_ptr<Process> process_;
  std::string url_;
  bool killed_ = false;
};

}  // namespace billmesh::testing
