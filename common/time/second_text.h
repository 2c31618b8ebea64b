// A time as text that changes once a second. Formatting a date costs more than the rest of a log's or an answer's line:
// it is done once a second. Not thread safe: one a thread.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace billmesh {

class SecondText {
 public:
  // `format`: absl::FormatTime's, of nothing finer than seconds; in UTC.
  explicit SecondText(const char* format) : format_(format) {}
  const std::string& At(absl::Time time);

 private:
  const char* const format_;
  absl::Time second_ = absl::InfinitePast();
  std::string text_;
};

}  // namespace billmesh
