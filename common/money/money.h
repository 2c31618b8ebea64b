// Money as a checked count of minor units with its currency. Amounts are never floating point, and sums that overflow or mix
// currencies are errors, not wrong numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace billmesh {

// An ISO 4217 code in lower case, as the provider writes it ("eur").
class Currency {
 public:
  // invalid_argument unless three ASCII letters; upper case is folded.
  static absl::StatusOr<Currency> Parse(std::string_view code);
  const std::string& code() const { return code_; }
  friend bool operator==(const Currency&, const Currency&) = default;

 private:
  explicit Currency(std::string code) : code_(std::move(code)) {}
  std::string code_;
};

struct Money {
  int64_t amount_minor = 0;
  Currency currency;
  friend bool operator==(const Money&, const Money&) = default;
};

// invalid_argument on mixed currencies or overflow.
absl::StatusOr<Money> Add(const Money& a, const Money& b);
absl::StatusOr<Money> Multiply(const Money& a, int64_t factor);

}  // namespace billmesh
