// Errors of the database that lie in what was to be written, so that trying the same again can't help and what shares
// the transaction isn't to blame (WHK-9).
#pragma once

#include <string>

#include "absl/status/status.h"

namespace billmesh::webhook {

bool IsDataError(const absl::Status& status);

// A statement took longer than it may: the server ended it (SQLSTATE 57014), or we stopped waiting. Most often the
// database is slow, but it may be what was written.
bool IsTimeout(const absl::Status& status);

// "constraint_violation: subscriptions_customer_fkey", "data_invalid: 22003": holds no value of the data.
std::string DataErrorReason(const absl::Status& status);

}  // namespace billmesh::webhook
