// A bounded pool of threads for work that may block. Code on gRPC's or an I/O thread hands over to it and never waits for it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace billmesh::rpc {

class Executor {
 public:
  Executor(int threads, size_t max_queued);
  // Runs what is queued, then ends its threads.
  ~Executor();
  Executor(const Executor&) = delete;
  // False, at once, when the queue is full or the executor is stopping: nothing was taken.
  bool TrySubmit(std::function<void()> task);
  size_t queued() const;

 private:
  void Work();
  const size_t max_queued_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace billmesh::rpc
