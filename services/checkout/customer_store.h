// The link between an entity and its customer at the provider, and the entity's subscriptions as checkout sees
// them. All functions take an open transaction that holds the entity's lock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"

namespace billmesh::checkout {

// The provider's id of the entity's live customer.
absl::StatusOr<std::optional<std::string>> LiveCustomer(db::Tx& tx, std::string_view entity_id,
                                                        std::string_view provider);
// Links the entity to a customer unless it has a live one. True if the link is new.
absl::StatusOr<bool> LinkCustomer(db::Tx& tx, IdGenerator& ids, std::string_view entity_id, std::string_view provider,
                                  std::string_view provider_customer_id);

// Whether the entity has a non-terminal subscription that isn't the operation's own success (CHK-1, CHK-6).
// `operation_key` may be empty: then every subscription is another's. Reads only: webhook writes them.
absl::StatusOr<bool> HasOtherLiveSubscription(db::Tx& tx, std::string_view entity_id, std::string_view operation_key,
                                              const std::optional<std::string>& provider_subscription_id = {});
// Whether the subscription of a completed session is projected, in whatever status: one that has ended since is one,
// too, and nothing else will come for the session to wait for (WHK-7).
absl::StatusOr<bool> IsSubscriptionProjected(db::Tx& tx, std::string_view entity_id, std::string_view operation_key,
                                             const std::optional<std::string>& provider_subscription_id);

}  // namespace billmesh::checkout
