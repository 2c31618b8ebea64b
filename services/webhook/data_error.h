// Errors of the database that lie in what was to be written, or about what: what shares the transaction isn't to blame
// (WHK-9). After a data error trying the same again can't help.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace billmesh::webhook {

bool IsDataError(const absl::Status& status);

// Somebody held a lock for longer than it is waited for, or a deadlock came again and again: the fault of neither the
// database nor of what was to be written.
bool IsConflict(const absl::Status& status);

// A statement took longer than it may: the server ended it (SQLSTATE 57014), or we stopped waiting. Most often the
// database is slow, but it may be what was written.
bool IsTimeout(const absl::Status& status);

// "constraint_violation: subscriptions_customer_fkey", "data_invalid: 22003": holds no value of the data.
std::string DataErrorReason(const absl::Status& status);

}  // namespace billmesh::webhook
