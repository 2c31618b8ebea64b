// What the crash campaign plays in: a mesh whose checkout daemon is the variant with fault points, killed and started
// again at will, and a time that both the database and the simulator are moved along.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "billing/checkout/v1/account.grpc.pb.h"
#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/testing/process.h"
#include "grpcpp/grpcpp.h"
#include "nlohmann/json.hpp"
#include "tests/support/mesh.h"

namespace billmesh::crash {

namespace pb = ::billing::checkout::v1;

// How a call of the daemon ended.
struct CallEnd {
  bool answered = false;  // false: the connection broke, or nobody listened
  std::string code;       // "ok", a failure reason's code, or gRPC's words where there is none
  bool ok() const { return answered && code == "ok"; }
};

// Not thread safe: one run after another.
class CrashWorld {
 public:
  // Brings the mesh up and stops its reconciler: the campaign recovers in its place, so that a run is the same each
  // time.
  CrashWorld();

  testing::Mesh& mesh() { return mesh_; }
  pb::CheckoutService::Stub& checkout() { return *checkout_; }       // as a service of the company's
  pb::CheckoutService::Stub& as_reconciler() { return *recovery_; }  // with the reconciler's certificate

  // The daemon, started anew with these points armed ("name=abort"); whatever ran before is killed.
  void StartDaemon(const std::string& faults);
  // Whether it was killed; waits a moment for the end of one whose connection broke.
  bool DaemonDied();
  bool DaemonRuns() { return daemon_ != nullptr && daemon_->running(); }
  // Has it run with no point armed, started anew where it doesn't.
  void HealDaemon();

  // Moves the time of both.
  void MoveClocks(absl::Duration by);

  // The simulator's control API.
  nlohmann::json Sim(const std::string& method, const std::string& path, const nlohmann::json& body = nullptr);
  nlohmann::json Summary() { return Sim("GET", "summary"); }
  // Effects since this sequence number of the ledger.
  nlohmann::json EffectsSince(int64_t seq);

  // Writes (all but GET) of the API since then.
  nlohmann::json WritesSince(int64_t seq);
  // What its last event shows of an object; null where it has none.
  nlohmann::json Object(const std::string& id);

  // The fault points that daemons passed since they were forgotten.
  void ForgetPassages();
  std::set<std::string> Passages();

  // A new workspace; its entity's id.
  std::string NewEntity();
  std::string Value(const std::string& sql) { return mesh_.Value(sql); }

  // One unary call: Call(world.checkout(), &Stub::StartCheckout, request, response).
  template <typename Stub, typename Request, typename Response>
  static CallEnd Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, Response& response) {
    grpc::ClientContext context;
    Prepare(context);
    return Ended((stub.*method)(&context, request, &response));
  }

 private:
  static void Prepare(grpc::ClientContext& context);
  static CallEnd Ended(const grpc::Status& status);
  void Connect();

  testing::Mesh mesh_;
  std::string binary_, passages_;
  std::unique_ptr<testing::Process> daemon_;
  std::unique_ptr<pb::CheckoutService::Stub> checkout_, recovery_;
  std::unique_ptr<pb::AccountService::Stub> account_;
  bool armed_ = false;
  int entities_ = 0;
};

}  // namespace billmesh::crash
