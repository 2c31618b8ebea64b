#include "tests/bench/check_load.h"

#include <condition_variable>
#include <memory>
#include <mutex>

#include "billing/entitlements/v1/entitlements.grpc.pb.h"

namespace billmesh::bench {
namespace {

using billing::entitlements::v1::CheckRequest;
using billing::entitlements::v1::CheckResponse;
using billing::entitlements::v1::EntitlementsService;

struct Shared {
  SteadyClock::time_point end;
  const std::vector<std::string>* entity_ids;
  std::string key;
  std::mutex mutex;
  std::condition_variable idle;
  int active = 0;                 // guarded by mutex
  std::vector<double> latencies;  // µs; guarded by mutex
  int64_t failed = 0;             // guarded by mutex
};

// One call after another, each started by the end of the last.
class Caller {
 public:
  Caller(Shared& shared, std::shared_ptr<grpc::Channel> channel, size_t first)
      : shared_(shared), stub_(EntitlementsService::NewStub(channel)), next_(first) {}

  void Next() {
    started_ = SteadyClock::now();
    if (started_ >= shared_.end) {
      std::lock_guard lock(shared_.mutex);
      shared_.latencies.insert(shared_.latencies.end(), latencies_.begin(), latencies_.end());
      shared_.failed += failed_;
      if (--shared_.active == 0) shared_.idle.notify_all();
      return;
    }
    context_ = std::make_unique<grpc::ClientContext>();
    request_.set_entity_id((*shared_.entity_ids)[next_++ % shared_.entity_ids->size()]);
    request_.set_key(shared_.key);
    stub_->async()->Check(context_.get(), &request_, &response_, [this](const grpc::Status& status) {
      latencies_.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - started_).count());
      if (!status.ok() || !response_.granted()) ++failed_;
      Next();
    });
  }

 private:
  Shared& shared_;
  std::unique_ptr<EntitlementsService::Stub> stub_;
  size_t next_;
  SteadyClock::time_point started_;
  std::unique_ptr<grpc::ClientContext> context_;
  CheckRequest request_;
  CheckResponse response_;
  std::vector<double> latencies_;
  int64_t failed_ = 0;
};

}  // namespace

Load RunCheckLoad(const std::string& address, const rpc::TlsFiles& tls, const std::vector<std::string>& entity_ids,
                  const std::string& key, int concurrency, std::chrono::milliseconds duration) {
  Shared shared;
  shared.entity_ids = &entity_ids;
  shared.key = key;
  shared.active = concurrency;
  const auto channel = rpc::MakeChannel(address, tls);
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5));
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < concurrency; ++i)
    callers.push_back(std::make_unique<Caller>(shared, channel, static_cast<size_t>(i) * 7919));
  const auto begun = SteadyClock::now();
  shared.end = begun + duration;
  for (auto& caller : callers) caller->Next();
  std::unique_lock lock(shared.mutex);
  shared.idle.wait(lock, [&] { return shared.active == 0; });
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - begun).count();
  Load load;
  load.done = static_cast<int64_t>(shared.latencies.size());
  load.failed = shared.failed;
  load.per_second = static_cast<double>(load.done) / seconds;
  load.p50_us = Quantile(shared.latencies, 0.5);
  load.p99_us = Quantile(shared.latencies, 0.99);
  return load;
}

}  // namespace billmesh::bench
