#include "services/webhook/data_error.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::webhook {

bool IsDataError(const absl::Status& status) {
  const Reason reason = ReasonOf(status);
  return reason == Reason::FAILURE_REASON_DATA_INVALID || reason == Reason::FAILURE_REASON_CONSTRAINT_VIOLATION;
}

bool IsConflict(const absl::Status& status) { return ReasonOf(status) == Reason::FAILURE_REASON_TRANSACTION_CONFLICT; }

bool IsTimeout(const absl::Status& status) {
  const Metadata metadata = MetadataOf(status);
  const auto state = metadata.find("sqlstate");
  return metadata.count("client_timeout") > 0 || (state != metadata.end() && state->second == "57014");
}

std::string DataErrorReason(const absl::Status& status) {
  const Metadata metadata = MetadataOf(status);
  for (const char* key : {"constraint", "sqlstate"}) {
    const auto at = metadata.find(key);
    if (at != metadata.end() && !at->second.empty()) return absl::StrCat(CodeOf(ReasonOf(status)), ": ", at->second);
  }
  return CodeOf(ReasonOf(status));
}

}  // namespace billmesh::webhook
