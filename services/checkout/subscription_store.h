// What a change of a subscription must know: the subscription as webhook has projected it, and the changes that were
// asked for before. Reads only. All functions take an open transaction that holds the entity's lock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "services/checkout/current_subscription.h"

namespace billmesh::checkout {

// The actions that change a subscription, as request_idempotency_one_pending_change_key lists them.
inline constexpr char kCancelSubscriptionAction[] = "cancel_subscription";
inline constexpr char kResumeSubscriptionAction[] = "resume_subscription";
inline constexpr char kSetAddOnAction[] = "set_add_on";

// The entity's current subscription at the provider, which is never one that has ended.
absl::StatusOr<std::optional<CurrentSubscription>> FindCurrentSubscription(db::Tx& tx, std::string_view entity_id,
                                                                           std::string_view provider);
// The id of the entity's pending change, whatever its action and key (PRT-3).
absl::StatusOr<std::optional<std::string>> FindPendingChange(db::Tx& tx, std::string_view entity_id);
// The recorded answer of the last change of an add-on that succeeded.
absl::StatusOr<std::optional<std::string>> FindLastAddOnAnswer(db::Tx& tx, std::string_view entity_id,
                                                               std::string_view plan_code);

}  // namespace billmesh::checkout
