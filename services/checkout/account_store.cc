#include "services/checkout/account_store.h"

#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

std::optional<std::string> NullIfEmpty(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace

absl::StatusOr<bool> InsertEntity(db::Tx& tx, std::string_view env, std::string_view id, const NewEntity& entity) {
  // Without a conflict target: a race of two equal requests may meet on the slug's key first, and that is no error
  // either.
  ASSIGN_OR_RETURN(const db::Result result,
                   tx.Exec(R"sql(
    INSERT INTO billing.entities (id, env, kind, ref, slug, display_name, owner_subject)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
  )sql",
                           {id, env, entity.kind, entity.ref, NullIfEmpty(entity.slug), entity.display_name,
                            entity.kind == "user" ? NullIfEmpty(entity.owner_subject) : std::nullopt}));
  return result.affected() == 1;
}

absl::StatusOr<std::optional<EntityRow>> FindEntity(db::Tx& tx, std::string_view env, std::string_view kind,
                                                    std::string_view ref) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT e.id, e.kind, e.ref, coalesce(e.slug, ''), e.display_name, e.revision
    FROM billing.entities e
    WHERE e.env = $1 AND e.kind = $2 AND e.ref = $3
  )sql",
                                                    {env, kind, ref}));
  if (result.empty()) return std::optional<EntityRow>();
  const db::Row row = result[0];
  return std::optional<EntityRow>(
      EntityRow{row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Int(5)});
}

absl::Status AppendChange(db::Tx& tx, std::string_view entity_id, int64_t revision) {
  return tx
      .Exec(R"sql(
    INSERT INTO billing.change_feed (entity_id, revision) VALUES ($1, $2)
  )sql",
            {entity_id, revision})
      .status();
}

absl::Status LockEntity(db::Tx& tx, std::string_view entity_id) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT 1 FROM billing.entities e WHERE e.id = $1 FOR NO KEY UPDATE
  )sql",
                                                    {entity_id}));
  if (result.empty()) return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity");
  return absl::OkStatus();
}

absl::StatusOr<MembershipNow> ReadMembership(db::Tx& tx, std::string_view entity_id, std::string_view subject) {
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT max(m.role) FILTER (WHERE m.subject = $2), count(*) FILTER (WHERE m.role = 'owner')
    FROM billing.entity_members m
    WHERE m.entity_id = $1 AND (m.subject = $2 OR m.role = 'owner')
  )sql",
                                                    {entity_id, subject}));
  return MembershipNow{result[0].OptText(0), result[0].Int(1)};
}

absl::Status PutMember(db::Tx& tx, std::string_view entity_id, std::string_view subject, std::string_view role) {
  return tx
      .Exec(R"sql(
    INSERT INTO billing.entity_members (entity_id, subject, role) VALUES ($1, $2, $3)
    ON CONFLICT (entity_id, subject) DO UPDATE SET role = excluded.role, updated_at = billing.now()
  )sql",
            {entity_id, subject, role})
      .status();
}

absl::Status RemoveMember(db::Tx& tx, std::string_view entity_id, std::string_view subject) {
  return tx
      .Exec(R"sql(
    DELETE FROM billing.entity_members m WHERE m.entity_id = $1 AND m.subject = $2
  )sql",
            {entity_id, subject})
      .status();
}

absl::StatusOr<std::optional<SubscriptionRow>> ReadCurrentSubscription(db::Tx& tx, std::string_view entity_id) {
  // One statement, so that subscription and items come from one snapshot. Plans are joined without regard to `active`:
  // old subscribers keep theirs (CAT-1).
  ASSIGN_OR_RETURN(const db::Result result, tx.Exec(R"sql(
    SELECT s.id, s.status, s.cancel_at_period_end, s.trial_end,
           i.id IS NOT NULL, coalesce(p.code, ''), coalesce(p.kind, ''), coalesce(i.quantity, 0),
           i.current_period_start, i.current_period_end
    FROM billing.subscriptions s
    LEFT JOIN billing.subscription_items i ON i.subscription_id = s.id AND i.entity_id = s.entity_id
    LEFT JOIN billing.plan_prices pp ON pp.provider = i.provider AND pp.provider_price_id = i.provider_price_id
    LEFT JOIN billing.plans p ON p.id = pp.plan_id
    WHERE s.entity_id = $1 AND s.is_current
    ORDER BY CASE p.kind WHEN 'base' THEN 0 WHEN 'add_on' THEN 1 ELSE 2 END, pp.component, i.id
  )sql",
                                                    {entity_id}));
  if (result.empty()) return std::optional<SubscriptionRow>();
  SubscriptionRow subscription{result[0].Text(0), result[0].Text(1), result[0].Bool(2), result[0].OptTime(3), {}};
  for (int n = 0; n < result.size(); ++n) {
    const db::Row row = result[n];
    if (!row.Bool(4)) continue;
    subscription.items.push_back({row.Text(5), row.Text(6), row.Int(7), row.OptTime(8), row.OptTime(9)});
  }
  return std::optional<SubscriptionRow>(std::move(subscription));
}

}  // namespace billmesh::checkout
