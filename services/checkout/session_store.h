// Rows of checkout_sessions as checkout writes them: creating, recovering, abandoning. All functions take an
// open transaction that holds the entity's lock. Statuses move by session_transitions.h only; the database
// refuses anything else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/db/pool.h"
#include "services/checkout/session_transitions.h"

namespace billmesh::checkout {

struct SessionRow {
  std::string id;
  std::string env;
  std::string entity_id;
  std::optional<std::string> operation_id;
  std::string operation_key;
  std::string provider;
  std::optional<std::string> provider_session_id;  // none for a hold
  std::optional<std::string> provider_customer_id;
  std::optional<std::string> provider_subscription_id;
  SessionStatus status = SessionStatus::kOpen;
  std::string plan_code;
  int64_t plan_version = 0;
  std::string url;  // empty unless open
  absl::Time expires_at;
  std::optional<absl::Time> provider_updated_at;
};

// The session that blocks the entity, if one does (CHK-2).
absl::StatusOr<std::optional<SessionRow>> FindBlockingSession(db::Tx& tx, std::string_view entity_id);
absl::StatusOr<std::optional<SessionRow>> FindSessionOf(db::Tx& tx, std::string_view operation_key);
absl::StatusOr<std::optional<SessionRow>> FindSessionByProviderId(db::Tx& tx, std::string_view provider,
                                                                  std::string_view provider_session_id);

absl::Status InsertSession(db::Tx& tx, const SessionRow& session);
// Writes what the provider says of a stored session, all but its status: fields that `session` doesn't know
// keep what is stored.
absl::Status RefreshSession(db::Tx& tx, const SessionRow& session);
// Moves the status. A session that ends loses its URL.
absl::Status MoveSession(db::Tx& tx, std::string_view id, SessionStatus to);

}  // namespace billmesh::checkout
