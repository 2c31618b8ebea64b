#include "services/checkout/catalog_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/audit_store.h"
#include "common/catalog/catalog_file.h"
#include "common/catalog/catalog_store.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"
#include "services/checkout/catalog_store.h"
#include "services/checkout/catalog_verify.h"

namespace billmesh::checkout {
namespace {

template <typename Change>
bool Writes(const Change& change) {
  return change.action != CatalogAction::kUnchanged;
}

// Plans that stop being the active default go first: the key on the default admits one at any moment.
absl::Status WritePlans(db::Tx& tx, IdGenerator& ids, const std::vector<CatalogChange>& changes) {
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

absl::StatusOr<CatalogService::Changes> CatalogService::Diff(const catalog::File& file,
                                                             const catalog::Catalog& stored) {
  Changes changes;
  ASSIGN_OR_RETURN(changes.plans, DiffCatalog(file, stored));
  ASSIGN_OR_RETURN(changes.items, DiffItems(file, stored));
  return changes;
}

bool CatalogService::Any(const Changes& changes) {
  return std::any_of(changes.plans.begin(), changes.plans.end(), Writes<CatalogChange>) ||
         std::any_of(changes.items.begin(), changes.items.end(), Writes<ItemChange>);
}

std::vector<ReportedChange> CatalogService::ReportOf(const Changes& changes) {
  std::vector<ReportedChange> report;
  for (const CatalogChange& change : changes.plans) {
    report.push_back({change.action, change.plan_code, "", change.detail});
  }
  for (const ItemChange& change : changes.items) report.push_back({change.action, "", change.item_code, change.detail});
  return report;
}

absl::StatusOr<std::string> CatalogService::Export() {
  ASSIGN_OR_RETURN(const catalog::Catalog stored, Load());
  std::string yaml = catalog::WriteFile(stored);
  if (stored.plans().empty()) return yaml;
  // Read back before it is handed out: an operator must be able to trust it.
  ASSIGN_OR_RETURN(const catalog::File file, catalog::ParseFile(yaml, {.provider = deps_.prices.provider()}));
  const absl::StatusOr<Changes> changes = Diff(file, stored);
  if (changes.ok() && !Any(*changes)) return yaml;
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID,
              absl::StrCat("what is stored isn't what was published, so that no file says it: ",
                           changes.ok() ? "" : std::string(changes.status().message())));
}

absl::StatusOr<ApplyReport> CatalogService::Apply(const auth::Caller& caller, std::string_view yaml, bool dry_run,
                                                  absl::Duration deadline_monotonic) {
  ASSIGN_OR_RETURN(const catalog::File file,
                   catalog::ParseFile(yaml, {.provider = deps_.prices.provider(), .currency = deps_.currency}));
  {
    // Refusals that need no provider come before its calls; so does a dry run's answer, which then stands on both.
    ASSIGN_OR_RETURN(const catalog::Catalog stored, Load());
    ASSIGN_OR_RETURN(const Changes changes, Diff(file, stored));
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
  ASSIGN_OR_RETURN(const Changes changes, Diff(file, stored));
  if (!Any(changes)) return ApplyReport{ReportOf(changes), false};
  RETURN_IF_ERROR(WritePlans(tx, deps_.ids, changes.plans));
  RETURN_IF_ERROR(WriteItems(tx, changes.items));
  ASSIGN_OR_RETURN(const int64_t revision, BumpCatalogRevision(tx));
  RETURN_IF_ERROR(Audit(tx, caller, changes, stored, revision));
  return ApplyReport{ReportOf(changes), true};
}

absl::Status CatalogService::WriteItems(db::Tx& tx, const std::vector<ItemChange>& changes) {
  for (const ItemChange& change : changes) {
    if (!Writes(change)) continue;
    const catalog::OneOffItem& item = change.declared->item;
    RETURN_IF_ERROR(change.stored == nullptr ? InsertItem(tx, deps_.ids, item)
                                             : UpdateItem(tx, change.stored->id, item.name, item.active));
  }
  return absl::OkStatus();
}

absl::Status CatalogService::Audit(db::Tx& tx, const auth::Caller& caller, const Changes& changes,
                                   const catalog::Catalog& before, int64_t revision) {
  ASSIGN_OR_RETURN(const catalog::Catalog after, catalog::LoadCatalog(tx));
  nlohmann::json detail = {{"revision", revision}};
  for (const CatalogChange& change : changes.plans) {
    if (Writes(change)) detail[std::string(ActionName(change.action))].push_back(change.plan_code);
  }
  for (const ItemChange& change : changes.items) {
    if (Writes(change)) detail["items"][std::string(ActionName(change.action))].push_back(change.item_code);
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
