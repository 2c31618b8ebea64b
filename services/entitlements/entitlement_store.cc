#include "services/entitlements/entitlement_store.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::entitlements {
namespace {

constexpr char kActor[] = "worker:entitlements";

ItemInput ReadItem(const db::Row& row, int first) {
  return ItemInput{.provider_item_id = row.Text(first),
                   .provider_price_id = row.Text(first + 1),
                   .quantity = row.OptInt(first + 2),
                   .period_start = row.OptTime(first + 3),
                   .period_end = row.OptTime(first + 4)};
}

LoadedInputs ReadEntity(const db::Row& row) {
  LoadedInputs out;
  out.inputs.entity_id = row.Text(2);
  out.inputs.kind = row.Text(3);
  out.inputs.revision = row.Int(4);
  if (!row.IsNull(5)) out.stored = StoredVersion{row.Int(5), row.Int(6), row.Time(7)};
  if (row.IsNull(8)) return out;
  SubscriptionInput subscription;
  subscription.provider = row.Text(8);
  subscription.status = StatusFromName(row.View(9));
  subscription.is_current = row.Bool(10);
  subscription.cancel_at_period_end = row.Bool(11);
  subscription.cancel_at = row.OptTime(12);
  out.inputs.subscription = std::move(subscription);
  return out;
}

// The digest of stored content, in the same canonical form as new content.
std::string DigestOfStored(const db::Row& row) {
  const absl::StatusOr<nlohmann::json> parsed = json::Parse(row.View(5));
  const absl::StatusOr<std::string> segments = parsed.ok() ? json::Canonical(*parsed) : parsed.status();
  // Only we write the column: what can't be read back differs from everything.
  if (!segments.ok()) return crypto::Sha256Hex(row.View(5));
  return crypto::Sha256Hex(CanonicalContent(*segments, row.Bool(3), row.OptTime(4)));
}

struct Previous {
  int64_t revision;
  int64_t catalog_revision;
  std::string digest;
};

absl::StatusOr<std::map<std::string, Previous>> LockStored(db::Tx& tx, const std::vector<std::string>& entity_ids) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT e.entity_id, e.revision, e.catalog_revision, e.comped, e.current_period_end, e.segments
    FROM billing.entitlements e
    WHERE e.entity_id = ANY ($1::uuid[])
    ORDER BY e.entity_id
    FOR UPDATE
  )sql",
                                                  {db::Param::UuidArray(entity_ids)}));
  std::map<std::string, Previous> previous;
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    previous.emplace(row.Text(0), Previous{row.Int(1), row.Int(2), DigestOfStored(row)});
  }
  return previous;
}

// The entities that were written: those whose row was absent or older.
absl::StatusOr<std::vector<std::string>> Upsert(db::Tx& tx, std::string_view env,
                                                const std::vector<NewAnswer>& answers) {
  std::vector<std::string> entity_ids, plan_codes, statuses, segments;
  std::vector<int64_t> revisions, catalog_revisions;
  std::vector<std::optional<absl::Time>> period_ends, updated;
  std::vector<bool> comped;
  for (const NewAnswer& answer : answers) {
    entity_ids.push_back(answer.entity_id);
    plan_codes.push_back(answer.plan_code);
    statuses.push_back(StatusName(answer.status));
    segments.push_back(answer.segments_json);
    revisions.push_back(answer.revision);
    catalog_revisions.push_back(answer.catalog_revision);
    period_ends.push_back(answer.current_period_end);
    updated.push_back(answer.updated_at);
    comped.push_back(answer.comped);
  }
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(R"sql(
    INSERT INTO billing.entitlements AS e (entity_id, env, revision, catalog_revision, plan_code, status, current_period_end,
                                           comped, segments, updated_at)
    SELECT n.entity_id, $1, n.revision, n.catalog_revision, nullif(n.plan_code, ''), n.status, n.current_period_end,
           n.comped, n.segments::jsonb, n.updated_at
    FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::boolean[],
                $9::text[], $10::timestamptz[])
      AS n (entity_id, revision, catalog_revision, plan_code, status, current_period_end, comped, segments, updated_at)
    ORDER BY n.entity_id
    ON CONFLICT (entity_id) DO UPDATE
    SET revision = excluded.revision, catalog_revision = excluded.catalog_revision, plan_code = excluded.plan_code,
        status = excluded.status, current_period_end = excluded.current_period_end, comped = excluded.comped,
        segments = excluded.segments, updated_at = excluded.updated_at
    WHERE (e.revision, e.catalog_revision) < (excluded.revision, excluded.catalog_revision)
    RETURNING e.entity_id
  )sql",
              {env, db::Param::UuidArray(entity_ids), db::Param::IntArray(revisions),
               db::Param::IntArray(catalog_revisions), db::Param::TextArray(plan_codes), db::Param::TextArray(statuses),
               db::Param::TimeArray(period_ends), db::Param::BoolArray(comped), db::Param::TextArray(segments),
               db::Param::TimeArray(updated)}));
  std::vector<std::string> written;
  for (int i = 0; i < rows.size(); ++i) written.push_back(rows[i].Text(0));
  return written;
}

}  // namespace

absl::StatusOr<LoadedBatch> LoadInputs(db::Tx& tx, std::string_view env, const std::vector<std::string>& entity_ids) {
  // One statement, because at READ COMMITTED only a statement is a snapshot: the revision must be that of the rows
  // beside it. The subscription is the current one, or else the youngest of those that ended.
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT (SELECT c.revision FROM billing.catalog_state c), billing.now(),
           e.id, e.kind, e.revision, t.revision, t.catalog_revision, t.updated_at,
           s.provider, s.status, s.is_current, s.cancel_at_period_end, s.cancel_at,
           i.provider_item_id, i.provider_price_id, i.quantity, i.current_period_start, i.current_period_end
    FROM (SELECT 1) AS always
    LEFT JOIN (unnest($2::uuid[]) AS w (id) JOIN billing.entities e ON e.id = w.id AND e.env = $1) ON true
    LEFT JOIN billing.entitlements t ON t.entity_id = e.id
    LEFT JOIN LATERAL (
      SELECT b.id, b.provider, b.status, b.is_current, b.cancel_at_period_end, b.cancel_at
      FROM billing.subscriptions b
      WHERE b.entity_id = e.id AND b.env = $1 AND (b.is_current OR b.status IN ('canceled', 'incomplete_expired'))
      ORDER BY b.is_current DESC, b.provider_subscription_created_at DESC, b.provider_subscription_id
      LIMIT 1) s ON true
    LEFT JOIN billing.subscription_items i ON i.subscription_id = s.id
    ORDER BY e.id, i.provider_item_id
  )sql",
                                                  {env, db::Param::UuidArray(entity_ids)}));
  LoadedBatch batch;
  // The join gives a row also where no entity was found.
  batch.catalog_revision = rows[0].Int(0);
  batch.now = rows[0].Time(1);
  for (int i = 0; i < rows.size(); ++i) {
    const db::Row row = rows[i];
    if (row.IsNull(2)) continue;
    if (batch.entities.empty() || batch.entities.back().inputs.entity_id != row.View(2)) {
      batch.entities.push_back(ReadEntity(row));
    }
    if (!row.IsNull(13)) batch.entities.back().inputs.subscription->items.push_back(ReadItem(row, 13));
  }
  return batch;
}

absl::StatusOr<int> StoreAnswers(db::Tx& tx, IdGenerator& ids, std::string_view env, std::vector<NewAnswer> answers) {
  if (answers.empty()) return 0;
  std::sort(answers.begin(), answers.end(),
            [](const NewAnswer& a, const NewAnswer& b) { return a.entity_id < b.entity_id; });
  std::vector<std::string> entity_ids;
  for (const NewAnswer& answer : answers) entity_ids.push_back(answer.entity_id);
  ASSIGN_OR_RETURN(const auto previous, LockStored(tx, entity_ids));
  ASSIGN_OR_RETURN(const std::vector<std::string> written, Upsert(tx, env, answers));
  std::vector<audit::Record> records;
  for (const NewAnswer& answer : answers) {
    if (std::find(written.begin(), written.end(), answer.entity_id) == written.end()) continue;
    const std::string digest =
        crypto::Sha256Hex(CanonicalContent(answer.segments_json, answer.comped, answer.current_period_end));
    const auto before = previous.find(answer.entity_id);
    if (before != previous.end() && before->second.digest == digest) continue;
    audit::Record record;
    record.env = std::string(env);
    record.entity_id = answer.entity_id;
    record.actor = kActor;
    record.action = audit::kEntitlementsUpdated;
    const nlohmann::json detail = {
        {"plan_code", answer.plan_code}, {"revision", answer.revision}, {"status", StatusName(answer.status)}};
    record.detail_json = detail.dump();
    if (before != previous.end()) record.before_digest = before->second.digest;
    record.after_digest = digest;
    records.push_back(std::move(record));
  }
  if (!records.empty()) RETURN_IF_ERROR(audit::Append(tx, ids, records));
  return static_cast<int>(records.size());
}

}  // namespace billmesh::entitlements
