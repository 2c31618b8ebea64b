// The whole mesh for a test: a Postgres cluster of its own, the Stripe simulator and the five built daemons with mTLS, on free ports
// of 127.0.0.1. Everything it starts ends with it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "common/testing/process.h"
#include "nlohmann/json.hpp"

namespace billmesh::testing {

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // The body as JSON; null when it isn't.
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

class Mesh {
 public:
  // Brings everything up, migrated and with the sample catalog; aborts the test program with the reason when that fails.
  Mesh();
  // Aborts the test program, after all is cleared away, when a daemon sent a request that the provider's schemas refuse.
  ~Mesh();
  Mesh(const Mesh&) = delete;

  // Names: checkout, webhook, entitlements, reconciler, edge, stripesim.
  Process& process(const std::string& name) { return *processes_.at(name); }
  // Starts a daemon (again) and, for daemons, waits until it's ready.
  void Start(const std::string& name);
  // SIGTERM, and the exit code.
  int Stop(const std::string& name);
  void Kill(const std::string& name);
  bool Ready(const std::string& name);
  // From Start to ready, for the daemon's last start.
  absl::Duration ready_after(const std::string& name) const { return ready_after_.at(name); }
  // Where a daemon serves /metrics and probes, where gRPC.
  std::string probe_url(const std::string& name) const;
  std::string grpc_address(const std::string& name) const;

  void StopPostgres();
  void StartPostgres();
  // One value, as superuser.
  std::string Value(const std::string& sql);

  const std::string& edge_url() const { return edge_url_; }
  const std::string& sim_url() const { return sim_url_; }
  // As superuser.
  const std::string& database_url() const { return database_url_; }
  const std::string& webhook_secret() const { return webhook_secret_; }
  // Of the endpoint that takes thin notifications.
  const std::string& thin_webhook_secret() const { return thin_webhook_secret_; }
  // A user's token.
  std::string Token(const std::string& subject, const std::string& permission = "");
  // billctl with the operator's certificate.
  CommandResult Billctl(const std::vector<std::string>& arguments);
  // Makes a workspace and returns its entity's id.
  std::string AddWorkspace(const std::string& slug, const std::string& owner);

  HttpAnswer Send(const std::string& method, const std::string& url, const std::string& body = "",
                  const std::vector<std::pair<std::string, std::string>>& headers = {});
  // A call of the edge's API as a user; JSON body for POST.
  HttpAnswer Api(const std::string& method, const std::string& path, const std::string& token, const nlohmann::json& body = nullptr,
                 const std::string& idempotency_key = "");
  // Delivers bytes to the webhook route, signed by the deployment's secret at this time (0: now).
  HttpAnswer DeliverWebhook(const std::string& payload, int64_t timestamp = 0, const std::string& secret = "");

  // The environment a daemon gets; for tests that start one their own way.
  std::map<std::string, std::string> EnvironmentOf(const std::string& name) const;
  std::string BinaryOf(const std::string& name) const;
  // <identity directory>/<file>.
  std::string Identity(const std::string& file) const { return identity_ + "/" + file; }
  const std::string& work_directory() const { return directory_; }

 private:
  void StartCluster();
  // Before the simulator ends: what it says of the requests that it was sent.
  void JudgeRequests();
  void ApplyCatalog();

  std::string binaries_, identity_, source_, directory_;
  std::string cluster_, database_url_, edge_url_, sim_url_, webhook_secret_, thin_webhook_secret_;
  std::map<std::string, int> ports_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::map<std::string, absl::Duration> ready_after_;
  std::string bad_requests_;  // of the simulators that have ended; empty: none
  http::Client client_;
};

}  // namespace billmesh::testing
