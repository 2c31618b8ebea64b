#include "services/checkout/catalog_service.h"

#include <algorithm>
#include <utility>

#include "common/audit/audit_store.h"
#include "common/catalog/catalog_file.h"
#include "common/catalog/catalog_store.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/catalog_store.h"
#include "services/checkout/catalog_verify.h"

namespace billmesh::checkout {
namespace {

bool Writes(const CatalogChange& change) { return change.action != CatalogAction::kUnchanged; }

std::vector<ReportedChange> ReportOf(const std::vector<CatalogChange>& changes) {
  std::vector<ReportedChange> report;
  for (const CatalogChange& change : changes) report.push_back({change.action, change.plan_code, change.detail});
  return report;
}

// Plans that stop being the active default go first: the key on the default admits one at any moment.
absl::Status WriteChanges(db::Tx& tx, IdGenerator& ids, const std::vector<CatalogChange>& changes) {
  const auto gives_up_default = [](const CatalogChange& change) {
    return change.stored != nullptr && change.stored->is_default && change.stored->active;
  };
  for (const bool first_pass : {true, false}) {
    for (const CatalogChange& change : changes) {
      if (!Writes(change) || gives_up_default(change) != first_pass) continue;
      const catalog::Plan& plan = change.declared->plan;
      if (change.stored == nullptr) {
        RETURN_IF_ERROR(InsertPlan(tx, ids, plan));
      } else {
        RETURN_IF_ERROR(UpdatePlan(tx, change.stored->id, plan.name, plan.active, plan.is_default));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<catalog::Catalog> CatalogService::Load() {
  return db::RunInTransaction(deps_.pool, db::Scope::System("load_catalog"),
                              [](db::Tx& tx) { return catalog::LoadCatalog(tx); });
}

absl::StatusOr<ApplyReport> CatalogService::Apply(const auth::Caller& caller, std::string_view yaml, bool dry_run,
                                                  absl::Duration deadline_monotonic) {
  ASSIGN_OR_RETURN(const catalog::File file,
                   catalog::ParseFile(yaml, {.provider = deps_.prices.provider(), .currency = deps_.currency}));
  {
    // Refusals that need no provider come before its calls; so does a dry run's answer, which then stands on both.
    ASSIGN_OR_RETURN(const catalog::Catalog stored, Load());
    ASSIGN_OR_RETURN(const std::vector<CatalogChange> changes, DiffCatalog(file, stored));
    RETURN_IF_ERROR(VerifyPrices(file, deps_.provider, deps_.prices, deps_.clock, deadline_monotonic));
    if (dry_run) return ApplyReport{ReportOf(changes), false};
  }
  return db::RunInTransaction(deps_.pool, db::Scope::System("apply_catalog"),
                              [&](db::Tx& tx) { return Write(tx, caller, file); });
}

absl::StatusOr<ApplyReport> CatalogService::Write(db::Tx& tx, const auth::Caller& caller, const catalog::File& file) {
  RETURN_IF_ERROR(LockCatalog(tx));
  // Again, under the lock: another apply may have come between.
  ASSIGN_OR_RETURN(const catalog::Catalog stored, catalog::LoadCatalog(tx));
  ASSIGN_OR_RETURN(const std::vector<CatalogChange> changes, DiffCatalog(file, stored));
  if (std::none_of(changes.begin(), changes.end(), Writes)) return ApplyReport{ReportOf(changes), false};
  RETURN_IF_ERROR(WriteChanges(tx, deps_.ids, changes));
  ASSIGN_OR_RETURN(const int64_t revision, BumpCatalogRevision(tx));
  RETURN_IF_ERROR(Audit(tx, caller, changes, stored, revision));
  return ApplyReport{ReportOf(changes), true};
}

absl::Status CatalogService::Audit(db::Tx& tx, const auth::Caller& caller, const std::vector<CatalogChange>& changes,
                                   const catalog::Catalog& before, int64_t revision) {
  ASSIGN_OR_RETURN(const catalog::Catalog after, catalog::LoadCatalog(tx));
  nlohmann::json detail = {{"revision", revision}};
  for (const CatalogChange& change : changes) {
    if (Writes(change)) detail[std::string(ActionName(change.action))].push_back(change.plan_code);
  }
  audit::Record record;
  record.env = deps_.env;
  record.actor = caller.AuditActor();
  record.action = audit::kCatalogApplied;
  record.detail_json = detail.dump();
  record.before_digest = CatalogDigest(before);
  record.after_digest = CatalogDigest(after);
  return audit::Append(tx, deps_.ids, {record});
}

}  // namespace billmesh::checkout
