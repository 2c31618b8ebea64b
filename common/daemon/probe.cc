#include "common/daemon/probe.h"

#include "absl/strings/str_cat.h"

namespace billmesh::daemon {

absl::Status CheckProbe(const db::Pool::Probe& probe, absl::Time now, const ProbeLimits& limits) {
  if (probe.schema_version != limits.schema_version) {
    return absl::FailedPreconditionError(absl::StrCat("schema version is ", probe.schema_version, ", this daemon needs ",
                                                      limits.schema_version, ": run billctl migrate"));
  }
  const absl::Duration skew = now - probe.database_time;
  if (absl::AbsDuration(skew) > limits.clock_skew_max) {
    return absl::FailedPreconditionError(absl::StrCat("the clock differs from the database's by ", absl::FormatDuration(skew)));
  }
  return absl::OkStatus();
}

}  // namespace billmesh::daemon
