// The baseline of the entitlement benchmark: the same server runtime (mTLS, callback API) around a method that does
// nothing. usage: bench_echo_server LISTEN CA CERT KEY
#include <unistd.h>

#include <cstdio>

#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/rpc/server.h"

namespace {

class EchoService : public billing::entitlements::v1::EntitlementsService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const billing::entitlements::v1::CheckRequest* request,
                                  billing::entitlements::v1::CheckResponse* response) override {
    response->set_granted(true);
    response->set_revision(request->min_revision());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s LISTEN CA CERT KEY\n", argv[0]);
    return 2;
  }
  EchoService service;
  billmesh::rpc::ServerOptions options;
  options.listen = argv[1];
  options.tls = {argv[2], argv[3], argv[4]};
  auto server = billmesh::rpc::Server::Start(options, {&service});
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  (*server)->SetServing(true);
  pause();
  return 0;
}
