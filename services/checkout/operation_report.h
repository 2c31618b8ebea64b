// How an operation is told of: counters, log lines, and the digests of its audit rows (OBS-1, OBS-3, AUD-1).
#pragma once

#include <optional>
#include <string>

#include "services/checkout/action.h"
#include "services/checkout/operation.h"

namespace billmesh::checkout {

// One write of a client that was answered; `outcome`: succeeded, replayed, or a failure's code.
void CountOutcome(const std::string& action, const std::string& outcome);

// One line a write. `operation_key` is empty where the write was refused before there was an operation.
void LogOutcome(const Action& action, const WriteRequest& request, const std::string& operation_key,
                const Answer& answer, bool replayed);

// Of the row without its lease and deadlines: they change while it is worked on, and no audit row tells of that. None
// for null.
std::optional<std::string> DigestOf(const Operation* operation);

}  // namespace billmesh::checkout
