// Entities, their members, and what an entity has: rows and structs. All functions take an open transaction and never
// begin or commit one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/checkout/account_rules.h"

namespace billmesh::checkout {

struct EntityRow {
  std::string id;
  std::string kind;
  std::string ref;
  std::string slug;
  std::string display_name;
  int64_t revision = 0;
};

// --- System scope ---

// Inserts the entity unless (env, kind, ref) or (env, slug) is taken; false if it was, and then nothing was written.
// Waits for a concurrent transaction that is making the same entity.
absl::StatusOr<bool> InsertEntity(db::Tx& tx, std::string_view env, std::string_view id, const NewEntity& entity);
// In a later statement than InsertEntity, so that it sees what a concurrent transaction committed meanwhile.
absl::StatusOr<std::optional<EntityRow>> FindEntity(db::Tx& tx, std::string_view env, std::string_view kind,
                                                    std::string_view ref);
// Tells readers of the change feed that the entity exists in this revision.
absl::Status AppendChange(db::Tx& tx, std::string_view entity_id, int64_t revision);

// Takes the entity's serializing lock (CHK-7).
absl::Status LockEntity(db::Tx& tx, std::string_view entity_id);
// Read under that lock, in a later statement.
absl::StatusOr<MembershipNow> ReadMembership(db::Tx& tx, std::string_view entity_id, std::string_view subject);
absl::Status PutMember(db::Tx& tx, std::string_view entity_id, std::string_view subject, std::string_view role);
absl::Status RemoveMember(db::Tx& tx, std::string_view entity_id, std::string_view subject);

// --- Tenant scope: row-level security keeps it within the bound entity ---

struct SubscriptionItemRow {
  std::string plan_code;  // empty for a price that no plan of ours has
  std::string plan_kind;
  int64_t quantity = 0;  // 0 for metered prices
  std::optional<absl::Time> period_start;
  std::optional<absl::Time> period_end;
};

struct SubscriptionRow {
  std::string id;
  std::string status;
  bool cancel_at_period_end = false;
  std::optional<absl::Time> trial_end;
  std::vector<SubscriptionItemRow> items;  // base plans first, then by age
};

absl::StatusOr<std::optional<SubscriptionRow>> ReadCurrentSubscription(db::Tx& tx, std::string_view entity_id);

}  // namespace billmesh::checkout
