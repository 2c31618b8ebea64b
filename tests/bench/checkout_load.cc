#include "tests/bench/checkout_load.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "tests/bench/report.h"

namespace billmesh::bench {
namespace {

using billing::checkout::v1::CheckoutService;
using billing::checkout::v1::StartCheckoutRequest;
using billing::checkout::v1::StartCheckoutResponse;

// A repeat asks for the purchase that began so many calls before it, or a third of all where that is less.
constexpr size_t kRepeatsBehind = 200;
constexpr auto kEndEvery = std::chrono::milliseconds(100);
constexpr int kLedgerPage = 10000;

// Numbers of write transactions rise by one each: only those that write get one.
int64_t WriteTransactions(testing::Mesh& mesh) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(mesh.Value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"), &number)) std::abort();
  return number;
}

// Ends the sessions of purchases, in the background and in batches.
class SessionEnder {
 public:
  explicit SessionEnder(testing::Mesh& mesh) : mesh_(mesh), thread_([this] { Loop(); }) {}
  ~SessionEnder() { Stop(); }

  void Add(const std::string& session_id) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(session_id);
  }
  // Ends what is left. How many transactions all of it took.
  int64_t Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    if (thread_.joinable()) thread_.join();
    return transactions_;
  }

 private:
  void Loop() {
    for (bool last = false; !last;) {
      std::this_thread::sleep_for(kEndEvery);
      std::vector<std::string> batch;
      {
        std::lock_guard lock(mutex_);
        batch.swap(waiting_);
        last = stopped_;
      }
      if (batch.empty()) continue;
      mesh_.Value(
          absl::StrCat("WITH ended AS (UPDATE billing.checkout_sessions SET status = 'expired', url = NULL, ended_at = "
                       "billing.now() "
                       "WHERE status = 'open' AND id IN ('",
                       absl::StrJoin(batch, "','"), "') RETURNING 1) SELECT count(*) FROM ended"));
      ++transactions_;
    }
  }

  testing::Mesh& mesh_;
  std::mutex mutex_;
  std::vector<std::string> waiting_;  // guarded by mutex_
  bool stopped_ = false;              // guarded by mutex_
  int64_t transactions_ = 0;          // the thread's, until it is joined
  std::thread thread_;
};

struct Call {
  StartCheckoutRequest request;
  StartCheckoutResponse response;
  std::unique_ptr<grpc::ClientContext> context;
  SteadyClock::time_point due;
  double total_ms = 0;
  const Call* repeats = nullptr;  // the call whose key this one sends again
  bool in_progress = false;       // the answer: the same request is being worked on
  std::string failure;
};

// Whether this call's answer took the provider's part. The daemon may see either of a purchase and its repeat first.
bool AskedProvider(const Call& call) { return call.repeats == nullptr ? !call.in_progress : call.repeats->in_progress; }

class Runner {
 public:
  Runner(testing::Mesh& mesh, const rpc::TlsFiles& tls, const CheckoutLoadOptions& options)
      : options_(options),
        ender_(mesh),
        stub_(CheckoutService::NewStub(rpc::MakeChannel(mesh.grpc_address("checkout"), tls))) {}

  std::vector<Call>& calls() { return calls_; }
  SessionEnder& ender() { return ender_; }

  // Seconds from the first call to the last answer.
  double Run() {
    const auto begun = SteadyClock::now();
    for (size_t i = 0; i < calls_.size(); ++i) {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return active_ < options_.clients; });
      ++active_;
      lock.unlock();
      calls_[i].due = SteadyClock::now();
      if (options_.per_second > 0) {
        calls_[i].due = begun + std::chrono::duration_cast<SteadyClock::duration>(
                                    std::chrono::duration<double>(static_cast<double>(i) / options_.per_second));
        std::this_thread::sleep_until(calls_[i].due);
      }
      Begin(calls_[i]);
    }
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return active_ == 0; });
    return std::chrono::duration<double>(SteadyClock::now() - begun).count();
  }

 private:
  void Begin(Call& call) {
    call.context = std::make_unique<grpc::ClientContext>();
    call.context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stub_->async()->StartCheckout(
        call.context.get(), &call.request, &call.response, [this, &call](const grpc::Status& status) {
          call.total_ms = std::chrono::duration<double, std::milli>(SteadyClock::now() - call.due).count();
          // Whichever of a purchase and its repeat comes second may find the first still running: an answer too.
          call.in_progress = options_.with_repeats && status.error_code() == grpc::StatusCode::ABORTED;
          if (!status.ok() && !call.in_progress) call.failure = status.error_message();
          if (status.ok()) ender_.Add(call.response.checkout_session_id());
          std::lock_guard lock(mutex_);
          --active_;
          room_.notify_all();
        });
  }

  const CheckoutLoadOptions options_;
  std::vector<Call> calls_;
  SessionEnder ender_;
  std::unique_ptr<CheckoutService::Stub> stub_;
  std::mutex mutex_;
  std::condition_variable room_;
  int active_ = 0;  // guarded by mutex_
};

void Plan(std::vector<Call>& calls, const std::vector<std::string>& entity_ids, const std::string& plan_code,
          const std::string& round, const CheckoutLoadOptions& options) {
  calls.resize(static_cast<size_t>(options.calls));
  const size_t step = options.with_repeats ? 2 : 1;
  const size_t behind = std::min(kRepeatsBehind, calls.size() / 3) / 2 * 2 + 1;
  for (size_t i = 0; i < calls.size(); ++i) {
    Call& call = calls[i];
    size_t purchase = i / step;
    size_t buyer = purchase;
    if (options.with_repeats && i % 2 == 1) {
      if (i >= behind) call.repeats = &calls[i - behind];
      // Too early to repeat anything: a purchase of a buyer whose own turn is far.
      purchase = call.repeats != nullptr ? (i - behind) / step : calls.size() + i;
      buyer = call.repeats != nullptr ? purchase : i / step + entity_ids.size() / 2;
    }
    call.request.mutable_entity()->set_entity_id(entity_ids[buyer % entity_ids.size()]);
    call.request.set_idempotency_key(absl::StrCat(round, "-", purchase));
    call.request.set_plan_code(plan_code);
    call.request.set_success_path("/done");
    call.request.set_cancel_path("/back");
  }
}

// Milliseconds that the simulator worked for each operation, by operation key.
std::map<std::string, double> ProviderTimes(testing::Mesh& mesh, int64_t since) {
  std::map<std::string, double> times;
  for (;;) {
    const auto page = mesh.Send("GET", absl::StrCat(mesh.sim_url(), "/_sim/ledger?kind=request&since=", since,
                                                    "&limit=", kLedgerPage))
                          .json();
    if (page["entries"].empty()) return times;
    for (const auto& entry : page["entries"]) {
      since = entry["seq"].get<int64_t>();
      if (!entry["idempotency_key"].is_string()) continue;
      const std::string key = entry["idempotency_key"].get<std::string>();
      times[key.substr(0, key.find('-'))] += entry["duration_us"].get<double>() / 1000;
    }
  }
}

// Operation key by idempotency key.
std::map<std::string, std::string> OperationKeys(testing::Mesh& mesh, const std::string& round) {
  std::map<std::string, std::string> keys;
  const std::string rows =
      mesh.Value(absl::StrCat("SELECT string_agg(client_key || ' ' || operation_key, ',') FROM "
                              "billing.request_idempotency WHERE client_key LIKE '",
                              round, "-%'"));
  for (const auto row : absl::StrSplit(rows, ',', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(row, ' ');
    keys.insert(pair);
  }
  return keys;
}

}  // namespace

CheckoutLoad RunCheckoutLoad(testing::Mesh& mesh, const rpc::TlsFiles& tls, const std::vector<std::string>& entity_ids,
                             const std::string& plan_code, const std::string& round,
                             const CheckoutLoadOptions& options) {
  const auto ledger = mesh.Send("GET", mesh.sim_url() + "/_sim/ledger?kind=request&limit=1").json();
  const int64_t since = ledger.value("last_seq", int64_t{0});
  Runner runner(mesh, tls, options);
  Plan(runner.calls(), entity_ids, plan_code, round, options);
  const int64_t writes_before = WriteTransactions(mesh);
  const double seconds = runner.Run();
  const int64_t ended_by = runner.ender().Stop();
  const int64_t writes = WriteTransactions(mesh) - writes_before - ended_by;

  const auto provider_times = ProviderTimes(mesh, since);
  const auto operation_keys = OperationKeys(mesh, round);
  CheckoutLoad load;
  std::vector<double> overheads;
  int64_t purchases = 0;
  for (const Call& call : runner.calls()) {
    std::string failure = call.failure;
    if (call.in_progress && AskedProvider(call)) failure = "a purchase and its repeat each found the other running";
    if (!failure.empty()) {
      if (load.failed++ == 0) load.first_failure = failure;
      continue;
    }
    double overhead = call.total_ms;
    if (call.repeats == nullptr) ++purchases;
    if (AskedProvider(call)) {
      const auto at = provider_times.find(operation_keys.at(call.request.idempotency_key()));
      if (at != provider_times.end()) overhead -= at->second;
    }
    overheads.push_back(overhead);
  }
  load.per_second = static_cast<double>(overheads.size()) / seconds;
  load.overhead_p50_ms = Quantile(overheads, 0.5);
  load.overhead_p99_ms = Quantile(overheads, 0.99);
  load.commits_per_purchase = purchases == 0 ? 0 : static_cast<double>(writes) / static_cast<double>(purchases);
  return load;
}

}  // namespace billmesh::bench
