#include "common/time/second_text.h"

namespace billmesh {

const std::string& SecondText::At(absl::Time time) {
  const absl::Time second = absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), absl::Seconds(1));
  if (second != second_) {
    text_ = absl::FormatTime(format_, second, absl::UTCTimeZone());
    second_ = second;
  }
  return text_;
}

}  // namespace billmesh
