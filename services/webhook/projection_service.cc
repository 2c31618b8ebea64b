#include "services/webhook/projection_service.h"

#include <iterator>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/fault/fault_point.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "services/webhook/audit_records.h"
#include "services/webhook/data_error.h"
#include "services/webhook/event_store.h"
#include "services/webhook/object_batch.h"
#include "services/webhook/outcome_report.h"
#include "services/webhook/webhook_metrics.h"

namespace billmesh::webhook {
namespace {

void Refuse(ObjectResult& result, std::string reason) {
  result = ObjectResult();
  result.disposition = Disposition::kFailed;
  result.reason = std::move(reason);
}

telemetry::Labels FieldsOf(const std::string& kind, std::string_view object_id, const ObjectResult& result) {
  return {{"kind", kind},
          {"object_id", std::string(object_id)},
          {"entity_id", result.entity_id.empty() ? result.correlated_entity_id : result.entity_id},
          {"operation_key", result.operation_key.value_or("")},
          {"reason", result.reason}};
}

// One line an object that isn't as it was, of what identifies it and never of what it says.
void LogOutcome(std::string_view outcome, const telemetry::Labels& identity) {
  std::vector<telemetry::Field> fields = {{"outcome", std::string(outcome)}};
  for (const auto& [name, value] : identity) {
    if (!value.empty()) fields.emplace_back(name, value);
  }
  telemetry::LogFields(telemetry::Level::kInfo, "fetched object projected", fields);
}

}  // namespace

absl::StatusOr<std::vector<ProjectedObject>> ProjectionService::Project(const std::vector<FetchedObject>& objects,
                                                                        const std::string& requested_by) {
  std::vector<Work> works;
  for (const FetchedObject& fetched : objects) works.push_back(Read(fetched));
  std::vector<Work*> sound;
  for (Work& work : works) {
    if (work.result.disposition == Disposition::kPending) sound.push_back(&work);
  }
  RETURN_IF_ERROR(ProjectAll(std::move(sound), requested_by));
  std::vector<ProjectedObject> projected;
  for (Work& work : works) {
    const ProjectionOutcome outcome = OutcomeOf(work.result);
    const telemetry::Labels fields = FieldsOf(work.fetched->kind, IdOf(work.object), work.result);
    CountProjected(work.fetched->kind, NameOf(outcome));
    if (outcome != ProjectionOutcome::kUnchanged) LogOutcome(NameOf(outcome), fields);
    if (outcome == ProjectionOutcome::kContradicted) telemetry::Guardrail(kCorrelationMismatch, fields);
    const bool refused = outcome == ProjectionOutcome::kRefused;
    projected.push_back({outcome, refused ? work.result.reason : "", work.result.entity_id, work.revision});
  }
  return projected;
}

// What can be refused without looking at anything stored is.
ProjectionService::Work ProjectionService::Read(const FetchedObject& fetched) const {
  Work work{&fetched};
  if (fetched.object_json.size() > kMaxFetchedBytes) {
    Refuse(work.result, kObjectTooLarge);
    return work;
  }
  auto object = deps_.source.ReadObject(fetched.kind, fetched.object_json);
  if (!object.ok()) {
    Refuse(work.result, absl::StrCat(kObjectMalformed, ": ", object.status().message()));
    return work;
  }
  work.object = *std::move(object);
  work.owner = OwnerOfKind(fetched.kind).value_or(Owner::kNone);
  if (LivemodeOf(work.object).value_or(settings_.livemode) != settings_.livemode)
    Refuse(work.result, kEnvironmentMismatch);
  return work;
}

absl::Status ProjectionService::ProjectAll(std::vector<Work*> works, const std::string& requested_by) {
  if (works.empty()) return absl::OkStatus();
  const auto told = Transact(works, requested_by);
  if (!told.ok() && IsDataError(told.status())) {
    if (works.size() == 1) {
      Refuse(works[0]->result, DataErrorReason(told.status()));
      return absl::OkStatus();
    }
    for (Work* work : works) RETURN_IF_ERROR(ProjectAll({work}, requested_by));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(told.status());
  for (const Work* work : works) {
    if (work->result.disposition != Disposition::kProcessed) continue;
    ReportApplied(work->result, told->duplicates,
                  [&] { return FieldsOf(work->fetched->kind, IdOf(work->object), work->result); });
  }
  ReportDuplicates(told->duplicates);
  deps_.notifier.Notify(told->changes);
  if (told->has_due) deps_.notifier.WakeWorker(Lane::kOthers);
  return absl::OkStatus();
}

absl::StatusOr<ProjectionService::Told> ProjectionService::Transact(const std::vector<Work*>& works,
                                                                    const std::string& requested_by) {
  auto told =
      db::RunInTransaction(deps_.pool, db::Scope::System("webhook.project"), [&](db::Tx& tx) -> absl::StatusOr<Told> {
        auto done = RunIn(tx, works, requested_by);
        FAULT_POINT("webhook.before_project_commit");
        return done;
      });
  FAULT_POINT("webhook.after_project_commit");
  return told;
}

// The steps of EventBatch::Run, without events: locks are taken in the same order, entities by id and then their rows.
absl::StatusOr<ProjectionService::Told> ProjectionService::RunIn(db::Tx& tx, const std::vector<Work*>& works,
                                                                 const std::string& requested_by) {
  ObjectBatch objects(settings_.env, settings_.provider, deps_.ids);
  for (Work* work : works) {
    work->result = ObjectResult();  // the transaction may run again
    objects.Add({work->owner, &work->object, KeysOf(work->object),
                 FetchedVersion(work->fetched->provider_date, work->fetched->object_json), &work->result});
  }
  Told told;
  objects.Ask(tx);
  RETURN_IF_ERROR(objects.Apply(tx));
  RETURN_IF_ERROR(objects.Write(tx, told.duplicates));
  WakeParked(tx, settings_.env, settings_.provider, objects.BornIds(), told.has_due);
  RETURN_IF_ERROR(WriteAudit(tx, works, requested_by));
  objects.BumpChanged(tx, told.changes);
  ASSIGN_OR_RETURN(const auto revisions, ReadRevisions(tx, objects.entity_ids()));
  for (Work* work : works) {
    const auto at = revisions.find(work->result.entity_id);
    work->revision = at == revisions.end() ? 0 : at->second;
  }
  RETURN_IF_ERROR(tx.Flush());  // nothing may fill it after it is given away
  return told;
}

absl::Status ProjectionService::WriteAudit(db::Tx& tx, const std::vector<Work*>& works,
                                           const std::string& requested_by) {
  std::vector<audit::Record> records;
  for (const Work* work : works) {
    if (OutcomeOf(work->result) != ProjectionOutcome::kChanged) continue;
    std::vector<audit::Record> own = AuditRecords({settings_.env, settings_.provider, work->fetched->kind,
                                                   std::string(IdOf(work->object)), std::nullopt, requested_by},
                                                  work->result);
    std::move(own.begin(), own.end(), std::back_inserter(records));
  }
  return audit::Append(tx, deps_.ids, records);
}

}  // namespace billmesh::webhook
