#include "common/money/money.h"

#include "common/status/status.h"

namespace billmesh {

absl::StatusOr<Currency> Currency::Parse(std::string_view code) {
  std::string folded;
  for (const char c : code) {
    if (c >= 'a' && c <= 'z') {
      folded.push_back(c);
    } else if (c >= 'A' && c <= 'Z') {
      folded.push_back(static_cast<char>(c - 'A' + 'a'));
    } else {
      folded.clear();
      break;
    }
  }
  if (folded.size() != 3) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
                "a currency is three letters (ISO 4217), got \"" + std::string(code.substr(0, 16)) + "\"",
                {{"field", "currency"}});
  }
  return Currency(std::move(folded));
}

absl::StatusOr<Money> Add(const Money& a, const Money& b) {
  if (!(a.currency == b.currency)) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT,
                "cannot add " + a.currency.code() + " and " + b.currency.code(), {{"field", "currency"}});
  }
  int64_t sum;
  if (__builtin_add_overflow(a.amount_minor, b.amount_minor, &sum)) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "amount overflows", {{"field", "amount_minor"}});
  }
  return Money{sum, a.currency};
}

absl::StatusOr<Money> Multiply(const Money& a, int64_t factor) {
  int64_t product;
  if (__builtin_mul_overflow(a.amount_minor, factor, &product)) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "amount overflows", {{"field", "amount_minor"}});
  }
  return Money{product, a.currency};
}

}  // namespace billmesh
