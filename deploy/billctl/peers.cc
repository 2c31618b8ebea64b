#include "deploy/billctl/peers.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "google/protobuf/util/json_util.h"

namespace billmesh::billctl {

using config::Setting;
using config::Type;

std::vector<Setting> PeerSettings(std::string_view name, std::string_view timeout) {
  const std::string flag = absl::StrCat(AbslView(name), "-addr");
  const std::string env = absl::StrCat(absl::AsciiStrToUpper(AbslView(name)), "_ADDR");
  // deploy/local/up writes the names after "or" to endpoints.env.
  return {
      {flag, env, Type::kAddress, std::nullopt, absl::StrCat("host:port of the ", AbslView(name), " daemon")},
      {.flag = "tls-ca",
       .env = "TLS_CA_FILE",
       .type = Type::kFile,
       .fallback = std::nullopt,
       .help = "PEM file of the CA that daemons' certificates must come from",
       .alias_env = "CA_CERT"},
      {.flag = "tls-cert",
       .env = "TLS_CERT_FILE",
       .type = Type::kFile,
       .fallback = std::nullopt,
       .help = "PEM file of the operator's certificate chain",
       .alias_env = "CLIENT_CERT"},
      {.flag = "tls-key",
       .env = "TLS_KEY_FILE",
       .type = Type::kFile,
       .fallback = std::nullopt,
       .help = "PEM file of the operator's private key",
       .alias_env = "CLIENT_KEY"},
      {"timeout", "BILLCTL_TIMEOUT", Type::kDuration, std::string(timeout), "how long to wait for the answer", 10,
       3'600'000},
  };
}

std::vector<Setting> SelectorSettings() {
  return {TextFlag("workspace", "the workspace's slug or ref"), TextFlag("entity", "the entity's id (UUID)")};
}

absl::Status ReadSelector(const config::Config& config, billing::types::v1::EntitySelector& selector) {
  if (config.Get("workspace").empty() == config.Get("entity").empty()) {
    return UsageError("name the entity by one of --workspace and --entity");
  }
  selector.set_workspace(config.Get("workspace"));
  selector.set_entity_id(config.Get("entity"));
  return absl::OkStatus();
}

std::vector<Setting> Joined(std::initializer_list<std::vector<Setting>> parts) {
  std::vector<Setting> all;
  for (const std::vector<Setting>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::shared_ptr<grpc::Channel> OpenChannel(const config::Config& config, std::string_view name) {
  return rpc::MakeChannel(config.Get(absl::StrCat(AbslView(name), "-addr")),
                          {config.Get("tls-ca"), config.Get("tls-cert"), config.Get("tls-key")});
}

absl::Status Outcome(const config::Config& config, std::string_view name, const grpc::Status& status) {
  absl::Status outcome = rpc::FromGrpc(status);
  if (ReasonOf(outcome) != Reason::FAILURE_REASON_PEER_UNAVAILABLE) return outcome;
  return Fail(ReasonOf(outcome),
              absl::StrCat("the ", AbslView(name), " daemon at ", config.Get(absl::StrCat(AbslView(name), "-addr")),
                           " can't be reached: ", status.error_message()));
}

absl::Status PrintJson(std::ostream& out, const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) {
    return absl::InternalError("the answer has no JSON form");
  }
  out << json << "\n";
  return absl::OkStatus();
}

}  // namespace billmesh::billctl
