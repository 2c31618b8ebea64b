// Identifiers and randomness as arguments.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "common/time/clock.h"

namespace billmesh {

class IdGenerator {
 public:
  virtual ~IdGenerator() = default;
  // A new UUIDv7 (RFC 9562) in its lower-case text form: above each one that this object made before; between processes
  // ordered by time, to the millisecond. Thread safe.
  virtual std::string NewId() = 0;
  // A random number in [0, bound); bound > 0. For jitter, never for secrets. Thread safe.
  virtual uint64_t Uniform(uint64_t bound) = 0;
};

// Random bits, 62 of each id's at least, from the operating system's generator.
class SystemIdGenerator : public IdGenerator {
 public:
  // The clock must outlive this object.
  explicit SystemIdGenerator(Clock& clock) : clock_(clock) {}
  std::string NewId() override;
  uint64_t Uniform(uint64_t bound) override;

 private:
  Clock& clock_;
  std::atomic<uint64_t> last_ = 0;  // the newest id's milliseconds and the 12 bits that follow them
};

// The same sequence for the same seed; for tests.
class SeededIdGenerator : public IdGenerator {
 public:
  explicit SeededIdGenerator(uint64_t seed) : state_(seed) {}
  std::string NewId() override;
  uint64_t Uniform(uint64_t bound) override;

 private:
  uint64_t Next();  // requires mutex_
  std::mutex mutex_;
  uint64_t state_;       // guarded by mutex_
  int64_t counter_ = 0;  // guarded by mutex_
};

// Whether this is a UUID in its lower-case text form.
bool IsUuid(std::string_view text);

}  // namespace billmesh
