// Delivers events over several connections, each several times and in one random order, as a provider does whose
// deliveries are lost: what isn't answered 200 is delivered again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/http/client.h"

namespace billmesh::exactlyonce {

struct RedeliveryOptions {
  int connections = 8;
  int times = 3;                  // that each event is answered 200
  double per_second = 0;          // deliveries, those that are repeated not counted
  absl::Duration limit;           // of all; what isn't answered then never is
  std::vector<std::string> urls;  // each connection has one of them
  std::string secret;
  uint64_t seed = 0;
};

class Redelivery {
 public:
  // `bodies` must outlive this object.
  Redelivery(const std::vector<std::string>& bodies, RedeliveryOptions options);
  // Ends the connections.
  ~Redelivery();

  // Thread safe.
  int64_t answered() const { return answered_; }
  bool done() const { return finished_ == options_.connections; }

  // After done(): how often each event was answered 200, and how many deliveries were not, by HTTP status (0: no
  // answer).
  const std::vector<int>& answers() const { return answers_; }
  const std::map<int, int64_t>& refusals() const { return refusals_; }
  // After done(): the events that were lost after they had been acknowledged, as a delivery shows that began after that
  // and was stored as new; and answers that say neither.
  const std::vector<std::string>& lost() const { return lost_; }

 private:
  struct Waiting {
    size_t event;
    absl::Time due;
  };

  void Deliver(int connection);
  bool Take(size_t& event);
  void Answered(size_t event, bool acknowledged_before, const http::ClientResult& result);
  bool IsAcknowledged(size_t event);

  const std::vector<std::string>& bodies_;
  const RedeliveryOptions options_;
  const absl::Time begun_;
  std::atomic<int64_t> answered_ = 0;
  std::atomic<int> finished_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;             // guarded by mutex_
  std::deque<Waiting> waiting_;      // by when they are due; guarded by mutex_
  std::vector<int> answers_;         // guarded by mutex_ until done
  std::map<int, int64_t> refusals_;  // guarded by mutex_ until done
  std::vector<std::string> lost_;    // guarded by mutex_ until done
  std::vector<std::thread> threads_;
};

}  // namespace billmesh::exactlyonce
