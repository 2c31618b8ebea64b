#include "services/checkout/session_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

#define SESSION_COLUMNS                                                                                \
  "s.id, s.env, s.entity_id, s.operation_id, s.operation_key, s.provider, s.provider_session_id, "     \
  "s.provider_customer_id, s.provider_subscription_id, s.status, s.plan_code, s.plan_version, s.url, " \
  "s.expires_at, s.provider_updated_at "

std::optional<std::string> NullIfEmpty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

absl::StatusOr<std::optional<SessionRow>> SessionOf(absl::StatusOr<db::Result> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::optional<SessionRow>();
  const db::Row row = (*rows)[0];
  SessionRow session;
  session.id = row.Text(0);
  session.env = row.Text(1);
  session.entity_id = row.Text(2);
  session.operation_id = row.OptText(3);
  session.operation_key = row.Text(4);
  session.provider = row.Text(5);
  session.provider_session_id = row.OptText(6);
  session.provider_customer_id = row.OptText(7);
  session.provider_subscription_id = row.OptText(8);
  const auto status = ParseSessionStatus(row.View(9));
  if (!status.has_value()) return absl::InternalError("a checkout session has an unknown status");
  session.status = *status;
  session.plan_code = row.OptText(10).value_or("");
  session.plan_version = row.OptInt(11).value_or(0);
  session.url = row.OptText(12).value_or("");
  session.expires_at = row.Time(13);
  session.provider_updated_at = row.OptTime(14);
  return std::optional<SessionRow>(std::move(session));
}

}  // namespace

absl::StatusOr<std::optional<SessionRow>> FindBlockingSession(db::Tx& tx, std::string_view entity_id) {
  return SessionOf(tx.Exec("SELECT " SESSION_COLUMNS R"sql(
    FROM billing.checkout_sessions s
    WHERE s.entity_id = $1 AND s.mode = 'subscription'
      AND s.status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending')
    FOR UPDATE
  )sql",
                           {entity_id}));
}

absl::StatusOr<std::optional<SessionRow>> FindSessionOf(db::Tx& tx, std::string_view operation_key) {
  return SessionOf(tx.Exec("SELECT " SESSION_COLUMNS R"sql(
    FROM billing.checkout_sessions s
    WHERE s.operation_key = $1
  )sql",
                           {operation_key}));
}

absl::StatusOr<std::optional<SessionRow>> FindSessionByProviderId(db::Tx& tx, std::string_view provider,
                                                                  std::string_view provider_session_id) {
  return SessionOf(tx.Exec("SELECT " SESSION_COLUMNS R"sql(
    FROM billing.checkout_sessions s
    WHERE s.provider = $1 AND s.provider_session_id = $2
  )sql",
                           {provider, provider_session_id}));
}

absl::Status InsertSession(db::Tx& tx, const SessionRow& s) {
  std::optional<int64_t> plan_version;
  if (!s.plan_code.empty()) plan_version = s.plan_version;
  return tx
      .Exec(R"sql(
    INSERT INTO billing.checkout_sessions (
      id, env, entity_id, operation_id, operation_key, provider, provider_session_id, provider_customer_id,
      provider_subscription_id, status, plan_code, plan_version, url, expires_at, provider_updated_at, ended_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
            CASE WHEN $16::boolean THEN NULL ELSE billing.now() END)
  )sql",
            {s.id, s.env, s.entity_id, s.operation_id, s.operation_key, s.provider, s.provider_session_id,
             s.provider_customer_id, s.provider_subscription_id, NameOf(s.status), NullIfEmpty(s.plan_code),
             plan_version, NullIfEmpty(s.url), s.expires_at, s.provider_updated_at, Blocks(s.status)})
      .status();
}

absl::Status RefreshSession(db::Tx& tx, const SessionRow& s) {
  return tx
      .Exec(R"sql(
    UPDATE billing.checkout_sessions s
    SET operation_id = coalesce($2::uuid, s.operation_id),
        provider_session_id = coalesce($3, s.provider_session_id),
        provider_customer_id = coalesce($4, s.provider_customer_id),
        provider_subscription_id = coalesce($5, s.provider_subscription_id),
        plan_code = coalesce($6, s.plan_code), plan_version = coalesce($7::integer, s.plan_version),
        url = CASE WHEN s.ended_at IS NULL THEN $8 END, expires_at = $9,
        provider_updated_at = greatest(s.provider_updated_at, $10::timestamptz), updated_at = billing.now()
    WHERE s.id = $1
  )sql",
            {s.id, s.operation_id, s.provider_session_id, s.provider_customer_id, s.provider_subscription_id,
             NullIfEmpty(s.plan_code), s.plan_code.empty() ? std::nullopt : std::optional<int64_t>(s.plan_version),
             NullIfEmpty(s.url), s.expires_at, s.provider_updated_at})
      .status();
}

absl::Status MoveSession(db::Tx& tx, std::string_view id, SessionStatus to) {
  return tx
      .Exec(R"sql(
    UPDATE billing.checkout_sessions s
    SET status = $2, url = CASE WHEN $2 = 'open' THEN s.url END, updated_at = billing.now(),
        ended_at = CASE WHEN $3::boolean THEN NULL ELSE billing.now() END
    WHERE s.id = $1
  )sql",
            {id, NameOf(to), Blocks(to)})
      .status();
}

#undef SESSION_COLUMNS

}  // namespace billmesh::checkout
