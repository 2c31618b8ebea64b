// Forwards over gRPC with generic stubs: any method of any daemon, by its name.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "common/auth/user_assertion.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "services/edge/forwarder.h"

namespace billmesh::edge {

class GrpcForwarder : public Forwarder {
 public:
  // Channels by daemon name. The signer must outlive the forwarder.
  GrpcForwarder(const std::map<std::string, std::shared_ptr<grpc::Channel>>& channels, auth::AssertionSigner& signer);
  // Cancels what still runs and waits for it.
  ~GrpcForwarder() override;

  void Forward(ForwardCall call, ForwardDone done) override;

 private:
  struct Call;
  void Finish(std::unique_ptr<Call> call, const grpc::Status& status);

  std::map<std::string, std::unique_ptr<grpc::GenericStub>, std::less<>> stubs_;
  auth::AssertionSigner& signer_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::set<Call*> cancellable_;  // guarded by mutex_
  int running_ = 0;              // guarded by mutex_; includes those that are just ending
};

}  // namespace billmesh::edge
