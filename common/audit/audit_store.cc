#include "common/audit/audit_store.h"

namespace billmesh::audit {

absl::Status Append(db::Tx& tx, IdGenerator& ids, const std::vector<Record>& records) {
  if (records.empty()) return absl::OkStatus();
  using Column = std::vector<std::optional<std::string>>;
  Column id, env, entity, actor, action, operation, event, detail, before, after;
  for (const Record& r : records) {
    id.push_back(ids.NewId());
    env.push_back(r.env);
    entity.push_back(r.entity_id);
    actor.push_back(r.actor);
    action.push_back(r.action);
    operation.push_back(r.operation_key);
    event.push_back(r.provider_event_id);
    detail.push_back(r.detail_json);
    before.push_back(r.before_digest);
    after.push_back(r.after_digest);
  }
  using db::Param;
  tx.Queue(R"sql(
        INSERT INTO billing.audit_log (id, created_at, env, entity_id, actor, action, operation_key, provider_event_id, detail,
                                       before_digest, after_digest)
        SELECT v.id, clock.now, v.env, v.entity_id, v.actor, v.action, v.operation_key, v.provider_event_id, v.detail::jsonb,
               v.before_digest, v.after_digest
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                    $9::text[], $10::text[])
          AS v (id, env, entity_id, actor, action, operation_key, provider_event_id, detail, before_digest, after_digest)
        CROSS JOIN (SELECT billing.now() AS now OFFSET 0) clock
      )sql",
           {Param::UuidArray(id), Param::TextArray(env), Param::UuidArray(entity), Param::TextArray(actor),
            Param::TextArray(action), Param::TextArray(operation), Param::TextArray(event), Param::TextArray(detail),
            Param::TextArray(before), Param::TextArray(after)});
  return absl::OkStatus();
}

}  // namespace billmesh::audit
