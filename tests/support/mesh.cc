#include "tests/support/mesh.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crypto/crypto.h"
#include "common/testing/test_database.h"
#include "tests/support/request_schemas.h"

namespace billmesh::testing {
namespace {

constexpr char kSecretKey[] = "sk_test_mesh";
constexpr const char* kDaemons[] = {"webhook", "entitlements", "checkout", "reconciler", "edge"};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "test mesh: %s\n", what.c_str());
  std::abort();
}

int64_t UnixNow() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string Loopback(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

Mesh::Mesh() : client_(http::ClientOptions{}) {
  binaries_ = RequiredEnv("BILLMESH_BIN_DIR");
  identity_ = RequiredEnv("BILLMESH_DEV_DIR");
  source_ = RequiredEnv("BILLMESH_SOURCE_ROOT");
  webhook_secret_ = "whsec_mesh_" + crypto::HexEncode(crypto::RandomBytes(12));
  thin_webhook_secret_ = "whsec_thin_" + crypto::HexEncode(crypto::RandomBytes(12));
  std::string pattern = (std::filesystem::temp_directory_path() / "billmesh-mesh.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) Die("cannot make a directory");
  directory_ = pattern;
  for (const char* name : {"checkout", "webhook", "entitlements", "reconciler", "stripesim", "edge.http", "checkout.probe",
                           "webhook.probe", "entitlements.probe", "reconciler.probe", "edge.probe"}) {
    ports_[name] = FreePort();
  }
  edge_url_ = "http://" + Loopback(ports_.at("edge.http"));
  sim_url_ = "http://" + Loopback(ports_.at("stripesim"));
  StartCluster();
  const CommandResult migrated = Billctl({"migrate", "--dir", source_ + "/deploy/migrations"});
  if (migrated.exit_code != 0) Die("billctl migrate failed: " + migrated.output);
  Start("stripesim");
  for (const char* daemon : kDaemons) Start(daemon);
  ApplyCatalog();
}

Mesh::~Mesh() {
  JudgeRequests();
  for (auto& [name, process] : processes_) {
    if (process != nullptr) process->Signal(SIGTERM);
  }
  for (auto& [name, process] : processes_) {
    if (process != nullptr) process->Wait(absl::Seconds(15));
  }
  processes_.clear();
  RunCommand({source_ + "/tests/support/postgres", "remove", cluster_}, {});
  if (std::getenv("BILLMESH_KEEP_LOGS") == nullptr) std::filesystem::remove_all(directory_);
  if (!bad_requests_.empty()) Die("requests that the provider's schemas refuse, or no word of them: " + bad_requests_);
}

void Mesh::JudgeRequests() {
  const auto simulator = processes_.find("stripesim");
  if (simulator == processes_.end() || !simulator->second->running()) return;
  const nlohmann::json summary = Send("GET", sim_url_ + "/_sim/summary").json();
  const bool told = summary.is_object() && summary.contains("schema_violations");
  if (!told || summary.at("schema_violations") != 0) absl::StrAppend(&bad_requests_, summary.dump(), " ");
}

void Mesh::StartCluster() {
  const CommandResult made = RunCommand({source_ + "/tests/support/postgres", "create"},
                                        {{"BILLMESH_TEST_OWNER", absl::StrCat(getpid())}});
  const std::vector<std::string> lines = absl::StrSplit(made.output, '\n', absl::SkipEmpty());
  if (made.exit_code != 0 || lines.size() != 2) Die("cannot make a Postgres cluster: " + made.output);
  cluster_ = lines[0];
  database_url_ = lines[1];
}

void Mesh::StopPostgres() {
  if (RunCommand({source_ + "/tests/support/postgres", "stop", cluster_, "immediate"}, {}).exit_code != 0) Die("cannot stop Postgres");
}

void Mesh::StartPostgres() {
  if (RunCommand({source_ + "/tests/support/postgres", "start", cluster_}, {}).exit_code != 0) Die("cannot start Postgres");
}

std::string Mesh::Value(const std::string& sql) {
  const CommandResult result = RunCommand({"psql", "-X", "-A", "-t", "-c", sql, database_url_}, {});
  if (result.exit_code != 0) Die("query failed: " + sql);
  return std::string(absl::StripAsciiWhitespace(result.output));
}

void Mesh::ApplyCatalog() {
  const std::string resolved = directory_ + "/catalog.yaml";
  const CommandResult provisioned = Billctl({"catalog", "provision", source_ + "/deploy/local/catalog.yaml", "--out", resolved});
  if (provisioned.exit_code != 0) Die("billctl catalog provision failed: " + provisioned.output);
  const CommandResult applied = Billctl({"catalog", "apply", resolved});
  if (applied.exit_code != 0) Die("billctl catalog apply failed: " + applied.output);
}

std::string Mesh::BinaryOf(const std::string& name) const {
  if (name == "stripesim") return binaries_ + "/tests/stripesim/stripesim";
  if (name == "billctl") return binaries_ + "/deploy/billctl/billctl";
  return absl::StrCat(binaries_, "/services/", name, "/billmesh-", name);
}

std::string Mesh::grpc_address(const std::string& name) const { return Loopback(ports_.at(name)); }
std::string Mesh::probe_url(const std::string& name) const { return "http://" + Loopback(ports_.at(name + ".probe")); }

std::map<std::string, std::string> Mesh::EnvironmentOf(const std::string& name) const {
  std::map<std::string, std::string> env = {
      {"BILLING_ENV", "test"},
      {"TLS_CA_FILE", Identity("ca.pem")},
      {"CHECKOUT_ADDR", grpc_address("checkout")},
      {"WEBHOOK_ADDR", grpc_address("webhook")},
      {"ENTITLEMENTS_ADDR", grpc_address("entitlements")},
      {"RECONCILER_ADDR", grpc_address("reconciler")},
      {"STRIPE_SECRET_KEY", kSecretKey},
      {"STRIPE_API_BASE", sim_url_},
      {"BILLING_CURRENCY", "eur"},
  };
  if (name == "stripesim") {
    std::map<std::string, std::string> sim = {{"STRIPESIM_LISTEN", Loopback(ports_.at("stripesim"))},
                                              {"STRIPESIM_WEBHOOK_URL", edge_url_ + "/api/billing/webhooks/stripe"},
                                              {"STRIPE_WEBHOOK_SECRET", webhook_secret_}};
    const std::string schemas = RequestSchemasFile();
    if (!schemas.empty()) sim["STRIPESIM_SCHEMAS"] = schemas;
    return sim;
  }
  const std::string certificate = name == "billctl" ? "operator" : name;
  env["TLS_CERT_FILE"] = Identity(certificate + ".pem");
  env["TLS_KEY_FILE"] = Identity(certificate + ".key");
  if (name == "billctl") {
    env["DATABASE_URL"] = database_url_;
    return env;
  }
  env["METRICS_ADDR"] = Loopback(ports_.at(name + ".probe"));
  if (name == "edge") {
    env["HTTP_LISTEN_ADDR"] = Loopback(ports_.at("edge.http"));
    env["USER_ASSERTION_KEY_FILE"] = Identity("assertion.key");
    env["JWT_ISSUER"] = "https://issuer.billmesh.test";
    env["JWT_AUDIENCE"] = "billmesh";
    env["JWT_JWKS"] = Identity("issuer.jwks.json");
    return env;
  }
  env["LISTEN_ADDR"] = Loopback(ports_.at(name));
  const size_t at = database_url_.find("postgres@");
  env["DATABASE_URL"] = std::string(database_url_).replace(at, strlen("postgres@"), "billmesh_" + name + "@");
  env["USER_ASSERTION_JWKS_FILE"] = Identity("assertion.jwks.json");
  env["STRIPE_WEBHOOK_SECRET"] = webhook_secret_;
  env["STRIPE_THIN_WEBHOOK_SECRET"] = thin_webhook_secret_;
  env["PUBLIC_BASE_URL"] = "https://app.example.test";
  env["OPERATION_KEY_SECRET"] = "an operation key secret for tests only";
  return env;
}

void Mesh::Start(const std::string& name) {
  const auto begun = std::chrono::steady_clock::now();
  processes_[name] = std::make_unique<Process>(std::vector<std::string>{BinaryOf(name)}, EnvironmentOf(name),
                                               directory_ + "/" + name + ".log");
  const bool up = WaitUntil([&] { return Ready(name) || !processes_[name]->running(); }, absl::Seconds(30));
  if (!up || !processes_[name]->running()) {
    RunCommand({"sh", "-c", "tail -n 5 " + directory_ + "/" + name + ".log >&2"}, {});
    Die(name + " does not become ready: " + (name == "stripesim" ? "" : Send("GET", probe_url(name) + "/readyz").body));
  }
  ready_after_[name] = absl::FromChrono(std::chrono::steady_clock::now() - begun);
}

int Mesh::Stop(const std::string& name) {
  if (name == "stripesim") JudgeRequests();
  process(name).Signal(SIGTERM);
  const auto code = process(name).Wait(absl::Seconds(20));
  if (!code) Die(name + " does not stop");
  return *code;
}

void Mesh::Kill(const std::string& name) {
  if (name == "stripesim") JudgeRequests();
  process(name).Signal(SIGKILL);
  process(name).Wait(absl::Seconds(5));
}

bool Mesh::Ready(const std::string& name) {
  return Send("GET", name == "stripesim" ? sim_url_ + "/_sim/health" : probe_url(name) + "/readyz").status == 200;
}

std::string Mesh::Token(const std::string& subject, const std::string& permission) {
  std::vector<std::string> command = {source_ + "/deploy/local/dev_identity", "token", "--dir", identity_, "--sub", subject};
  if (!permission.empty()) command.insert(command.end(), {"--permission", permission});
  const CommandResult made = RunCommand(command, {});
  if (made.exit_code != 0) Die("cannot make a token");
  return std::string(absl::StripAsciiWhitespace(made.output));
}

CommandResult Mesh::Billctl(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {BinaryOf("billctl")};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunCommand(command, EnvironmentOf("billctl"));
}

std::string Mesh::AddWorkspace(const std::string& slug, const std::string& owner) {
  const CommandResult made = Billctl({"workspace", "ensure", "--slug", slug, "--name", slug, "--owner", owner, "--json"});
  if (made.exit_code != 0) Die("billctl workspace ensure failed: " + made.output);
  return Value("SELECT id FROM billing.entities WHERE slug = '" + slug + "'");
}

HttpAnswer Mesh::Send(const std::string& method, const std::string& url, const std::string& body,
                      const std::vector<std::pair<std::string, std::string>>& headers) {
  http::ClientRequest request;
  request.method = method;
  request.url = url;
  request.body = body;
  request.headers = headers;
  const http::ClientResult result = client_.Send(request);
  return {result.response.status, result.response.body, result.response.headers};
}

HttpAnswer Mesh::Api(const std::string& method, const std::string& path, const std::string& token, const nlohmann::json& body,
                     const std::string& idempotency_key) {
  std::vector<std::pair<std::string, std::string>> headers = {{"Authorization", "Bearer " + token}};
  if (!idempotency_key.empty()) headers.emplace_back("Idempotency-Key", idempotency_key);
  if (!body.is_null()) headers.emplace_back("Content-Type", "application/json");
  return Send(method, edge_url_ + path, body.is_null() ? "" : body.dump(), headers);
}

HttpAnswer Mesh::DeliverWebhook(const std::string& payload, int64_t timestamp, const std::string& secret) {
  const std::string t = absl::StrCat(timestamp != 0 ? timestamp : UnixNow());
  const std::string mac = crypto::HmacSha256Hex(secret.empty() ? webhook_secret_ : secret, t + "." + payload);
  return Send("POST", edge_url_ + "/api/billing/webhooks/stripe", payload,
              {{"Content-Type", "application/json"}, {"Stripe-Signature", "t=" + t + ",v1=" + mac}});
}

}  // namespace billmesh::testing
