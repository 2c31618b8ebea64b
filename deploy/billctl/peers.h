// The daemons, as billctl calls them: gRPC over mTLS with an operator's certificate.
#pragma once

#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "billing/types/v1/entity.pb.h"
#include "common/config/config.h"
#include "common/rpc/server.h"
#include "deploy/billctl/command.h"
#include "google/protobuf/message.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::billctl {

// The settings of a command that calls one daemon: its address, our certificate, and how long to wait. `name` is
// checkout, entitlements, reconciler or webhook.
std::vector<config::Setting> PeerSettings(std::string_view name, std::string_view timeout = "30s");

// --workspace and --entity, one of which names the entity.
std::vector<config::Setting> SelectorSettings();
absl::Status ReadSelector(const config::Config& config, billing::types::v1::EntitySelector& selector);

std::vector<config::Setting> Joined(std::initializer_list<std::vector<config::Setting>> parts);

std::shared_ptr<grpc::Channel> OpenChannel(const config::Config& config, std::string_view name);

// The outcome of a call of a daemon, naming it where it can't be reached.
absl::Status Outcome(const config::Config& config, std::string_view name, const grpc::Status& status);

// One unary call: Call<AccountService>(context, "checkout", &AccountService::Stub::SetMember, request, response).
template <typename Service, typename Request, typename Response>
absl::Status Call(const Context& context, std::string_view name,
                  grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
  const auto stub = Service::NewStub(OpenChannel(context.config, name));
  grpc::ClientContext client;
  rpc::PrepareContext(client, context.config.GetDuration("timeout"));
  return Outcome(context.config, name, (stub.get()->*method)(&client, request, &response));
}

// Prints a message as JSON (protobuf's mapping) on one line.
absl::Status PrintJson(std::ostream& out, const google::protobuf::Message& message);

}  // namespace billmesh::billctl
