#include "tests/stripesim/ids.h"

#include <stdexcept>

namespace stripesim {
namespace {

struct Shape {
  std::string_view object;
  std::string_view prefix;
  int length;
};

constexpr Shape kShapes[] = {
    {"account", "acct_1", 15},
    {"billing_portal.session", "bps_1", 23},
    {"charge", "ch_3", 23},
    {"credit_note", "cn_1", 23},
    {"credit_note_line_item", "cnli_1", 23},
    {"customer", "cus_", 14},
    {"dispute", "du_1", 23},
    {"event", "evt_1", 23},
    {"invoice", "in_1", 23},
    {"invoice_payment", "inpay_1", 23},
    {"item", "li_1", 23},
    {"line_item", "il_1", 23},
    {"payment_intent", "pi_3", 23},
    {"payment_link", "plink_1", 23},
    {"payment_method", "pm_1", 23},
    {"price", "price_1", 23},
    {"product", "prod_", 14},
    {"refund", "re_3", 23},
    {"request", "req_", 14},
    {"subscription", "sub_1", 23},
    {"subscription_item", "si_", 14},
    {"webhook_endpoint", "we_1", 23},
};

}  // namespace

uint64_t IdSource::Next() {
  // splitmix64: tiny, seedable, and the same on every platform (std distributions aren't).
  uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

double IdSource::Coin() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

std::string IdSource::Make(std::string_view prefix, int length) {
  static constexpr char kAlphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string id(prefix);
  uint64_t bits = 0;
  for (int i = 0; i < length; ++i) {
    if (i % 8 == 0) bits = Next();
    id += kAlphabet[bits % 62];
    bits /= 62;
  }
  return id;
}

std::string IdSource::ForObject(std::string_view object, bool livemode) {
  if (object == "checkout.session") return Make(livemode ? "cs_live_a1" : "cs_test_a1", 56);
  for (const Shape& shape : kShapes) {
    if (shape.object == object) return Make(shape.prefix, shape.length);
  }
  throw std::logic_error("no id shape for " + std::string(object));
}

}  // namespace stripesim
