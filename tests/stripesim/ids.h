#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stripesim {

// All of the simulator's randomness: ids that look like Stripe's, coins for faults and jitter. One
// seed, one sequence. Not thread-safe: guarded by the simulator's mutex.
class IdSource {
 public:
  explicit IdSource(uint64_t seed) : state_(seed) {}

  // `prefix` followed by `length` letters and digits, e.g. Make("cus_", 14).
  std::string Make(std::string_view prefix, int length);
  // The id of a new object: prefix and length by kind, e.g. "checkout.session" → cs_test_a1….
  std::string ForObject(std::string_view object, bool livemode);

  uint64_t Next();
  // Uniform in [0, 1).
  double Coin();

 private:
  uint64_t state_;
};

}  // namespace stripesim
