#include <utility>

#include "tests/stripesim/sim_clock.h"

#include <algorithm>
#include <cstdio>

namespace stripesim {
namespace {

struct Civil {
  int64_t year;
  int month;  // 1..12
  int day;    // 1..31
};

// Days since 1970-01-01, proleptic Gregorian (Howard Hinnant's algorithms).
int64_t DaysFromCivil(Civil c) {
  const int64_t y = c.month <= 2 ? c.year - 1 : c.year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t yoe = y - era * 400;
  const int64_t doy = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
  const int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

Civil CivilFromDays(int64_t days) {
  const int64_t z = days + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, static_cast<int>(doy - (153 * mp + 2) / 5 + 1)};
}

int DaysInMonth(int64_t year, int month) {
  const Civil next = month == 12 ? Civil{year + 1, 1, 1} : Civil{year, month + 1, 1};
  return static_cast<int>(DaysFromCivil(next) - DaysFromCivil({year, month, 1}));
}

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

int64_t AddIntervals(int64_t anchor, const std::string& interval, int64_t count) {
  if (interval == "day") return anchor + count * kDay;
  if (interval == "week") return anchor + count * 7 * kDay;
  const int64_t days = FloorDiv(anchor, kDay);
  const int64_t rest = anchor - days * kDay;
  Civil c = CivilFromDays(days);
  const int64_t months = c.year * 12 + (c.month - 1) + count * (interval == "year" ? 12 : 1);
  c.year = FloorDiv(months, 12);
  c.month = static_cast<int>(months - c.year * 12) + 1;
  c.day = std::min(c.day, DaysInMonth(c.year, c.month));
  return DaysFromCivil(c) * kDay + rest;
}

std::string HttpDate(int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t days = FloorDiv(unix_seconds, kDay);
  const int64_t rest = unix_seconds - days * kDay;
  const Civil c = CivilFromDays(days);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[((days % 7) + 7) % 7], c.day,
                kMonths[c.month - 1], static_cast<int>(c.year), static_cast<int>(rest / 3600),
                static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return text;
}

}  // namespace stripesim
