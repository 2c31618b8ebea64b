// Rows of provider_steps (IDM-4). All functions take an open transaction that holds the entity's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "services/checkout/frozen_step.h"

namespace billmesh::checkout {

absl::Status InsertStep(db::Tx& tx, const FrozenStep& step);

// The operation's last step, whatever its outcome.
absl::StatusOr<std::optional<FrozenStep>> LastStepOf(db::Tx& tx, std::string_view operation_id);
// The entity's own pending step (its customer, CHK-10).
absl::StatusOr<std::optional<FrozenStep>> PendingEntityStep(db::Tx& tx, std::string_view entity_id,
                                                            std::string_view provider);
// How many steps the entity itself owns, whatever became of them.
absl::StatusOr<int64_t> CountEntitySteps(db::Tx& tx, std::string_view entity_id, std::string_view provider);

// Each ends a pending step; one that has ended already keeps its outcome.
absl::Status SucceedStep(db::Tx& tx, const FrozenStep& step, std::string_view provider_object_id);
// `detail`: the provider's error type, code and HTTP status, no free text.
absl::Status RejectStep(db::Tx& tx, const FrozenStep& step, std::string_view detail);
// It made nothing, and will not be sent again: another step takes its place.
absl::Status SupersedeStep(db::Tx& tx, const FrozenStep& step);

}  // namespace billmesh::checkout
