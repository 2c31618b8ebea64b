// Checkout, recovery, the webhook daemon and the reconciler's queue in this process, as their daemons wire them, on one
// database and one simulator. All steps are thread safe: interleavings of them are what is tested.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "common/stripe/client.h"
#include "common/stripe/client_format.h"
#include "common/testing/test_database.h"
#include "nlohmann/json.hpp"
#include "services/checkout/actions.h"
#include "services/checkout/operation_kernel.h"
#include "services/checkout/projection_peer.h"
#include "services/checkout/session_refresh.h"
#include "services/reconciler/expire_session_job.h"
#include "services/reconciler/outbox_worker.h"
#include "services/webhook/projection_service.h"
#include "tests/integration/webhook_world.h"
#include "tests/support/simulator_process.h"

namespace billmesh::interleaving {

class InterleavingWorld {
 public:
  // So many workspaces; each step of any thread uses one connection at a time, at most `connections` of a daemon.
  InterleavingWorld(int entities, int connections);
  ~InterleavingWorld();

  // One step of a thread: what it does, and for whom, is drawn from `chance`.
  void Step(std::mt19937_64& chance);
  // Until nothing is left to do: events applied, operations ended, jobs done. False when that doesn't come about.
  bool Drain();

  // Outcomes by "<step> <code>".
  std::map<std::string, int> outcomes();
  // Deadlocks that Postgres resolved in this database; call when all threads have ended.
  int64_t Deadlocks();
  testing::TestDatabase& database() { return database_; }

 private:
  using Chance = std::mt19937_64;
  void SellPlans();
  void SellPlan(const std::string& code, int64_t unit_amount_minor);
  void BreakSomeCalls();

  void StartCheckout(Chance& chance);
  void CancelCheckout(Chance& chance);
  void CancelSubscription(Chance& chance);
  void ResumeSubscription(Chance& chance);
  void SetAddOn(Chance& chance);
  void CreatePaymentLink(Chance& chance);
  void OpenPortal(Chance& chance);
  void ReturnFromPayment(Chance& chance);
  void ProjectFetched(Chance& chance);
  void Recover(Chance& chance);
  void Pay(Chance& chance);
  void ExpireAtProvider(Chance& chance);
  void Deliver(Chance& chance);
  void TakeUpEvents(Chance& chance);
  void WorkOutbox(Chance& chance);
  void PassLease(Chance& chance);

  void Write(const char* step, const checkout::Action& action, const std::string& entity, const std::string& key,
             const absl::StatusOr<std::string>& order);
  void FetchEvents();
  bool EventsWait();
  void Note(const std::string& step, const absl::Status& status);
  const std::string& SomeEntity(Chance& chance) const { return entities_[chance() % entities_.size()]; }
  // One of few keys, so that threads meet under the same one.
  std::string SomeKey(Chance& chance);
  std::string Value(const char* sql, const std::vector<db::Param>& params = {});
  // The first column of all rows.
  std::vector<std::string> Column(const char* sql, const std::vector<db::Param>& params = {});
  nlohmann::json Sim(const std::string& method, const std::string& path, const nlohmann::json& body = nullptr);

  testing::TestDatabase database_;
  testing::SimulatorProcess simulator_;
  stripe::StripeFormat format_;
  std::unique_ptr<stripe::StripeProvider> provider_;
  checkout::Actions actions_;
  std::unique_ptr<checkout::OperationKernel> kernel_;
  std::unique_ptr<webhook::Replica> webhook_;
  std::unique_ptr<webhook::ProjectionService> projection_;
  std::unique_ptr<checkout::ProjectionPeer> peer_;
  std::unique_ptr<checkout::SessionRefresher> refresher_;
  std::unique_ptr<reconciler::ExpireSessionJob> expire_;
  std::unique_ptr<reconciler::OutboxWorker> outbox_;
  std::vector<std::string> entities_;
  std::atomic<int64_t> steps_ = 0;

  std::mutex mutex_;
  absl::Duration offset_;                // guarded by mutex_, as database_'s own connection is
  std::vector<std::string> events_;      // guarded by mutex_
  int64_t last_event_ = 0;               // guarded by mutex_
  size_t delivered_ = 0;                 // guarded by mutex_
  std::map<std::string, int> outcomes_;  // guarded by mutex_
};

}  // namespace billmesh::interleaving
