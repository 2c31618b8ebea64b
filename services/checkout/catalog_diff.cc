#include "services/checkout/catalog_diff.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using catalog::Catalog;
using catalog::File;
using catalog::FilePlan;
using catalog::Plan;

absl::Status Refuse(Reason reason, int line, const std::string& where, const std::string& what) {
  return Fail(reason, absl::StrCat("line ", line, ": ", where, ": ", what),
              {{"line", std::to_string(line)}, {"where", where}, {"what", "plan version"}});
}

std::string PathOf(const Plan& plan) { return absl::StrCat("plans[", plan.code, "]"); }

absl::Status CheckPublished(const FilePlan& declared, const Plan& stored) {
  if (declared.plan.content_sha256 == stored.content_sha256) return absl::OkStatus();
  std::string change = catalog::DescribeContentChange(stored, declared.plan);
  // Equal members under another digest: the stored rows were changed behind the catalog's back, or hold what can't be
  // read.
  if (change.empty()) change = "stored with another content";
  return Refuse(Reason::FAILURE_REASON_ALREADY_EXISTS, declared.line, PathOf(declared.plan),
                absl::StrCat("a published plan version never changes; publish a new version (", change, ")"));
}

// "plan pro-v1" or "item credits-v1": what is stored with this price; empty if nothing is.
std::string OwnerOf(const catalog::Price& price, const Catalog& stored) {
  const auto plan = stored.FindPrice(price.provider, price.provider_price_id);
  if (plan.has_value()) return absl::StrCat("plan ", plan->plan->code);
  for (const catalog::OneOffItem& item : stored.items()) {
    if (item.provider == price.provider && item.provider_price_id == price.provider_price_id) {
      return absl::StrCat("item ", item.code);
    }
  }
  return "";
}

// A new plan may not take what a stored one has.
absl::Status CheckNew(const FilePlan& declared, const Catalog& stored) {
  const Plan& plan = declared.plan;
  for (const Plan& other : stored.plans()) {
    if (other.family_code == plan.family_code && other.version == plan.version) {
      return Refuse(Reason::FAILURE_REASON_CATALOG_INVALID, declared.line, absl::StrCat(PathOf(plan), ".version"),
                    absl::StrCat("the stored plan ", other.code, " is this version of the family"));
    }
  }
  for (size_t n = 0; n < plan.prices.size(); ++n) {
    const std::string owner = OwnerOf(plan.prices[n], stored);
    if (owner.empty()) continue;
    return Refuse(Reason::FAILURE_REASON_CATALOG_INVALID, declared.prices[n].line,
                  absl::StrCat(PathOf(plan), ".prices[", n, "].provider_price_id"),
                  absl::StrCat("belongs to the stored ", owner));
  }
  return absl::OkStatus();
}

CatalogChange CompareState(const FilePlan& declared, const Plan& stored) {
  const Plan& plan = declared.plan;
  CatalogChange change{CatalogAction::kUnchanged, plan.code, "", &declared, &stored};
  const auto note = [&](const std::string& text) {
    absl::StrAppend(&change.detail, change.detail.empty() ? "" : "; ", text);
  };
  if (plan.name != stored.name) note(absl::StrCat("name: \"", stored.name, "\" → \"", plan.name, "\""));
  if (plan.is_default != stored.is_default)
    note(plan.is_default ? "becomes the default plan" : "no longer the default plan");
  if (!change.detail.empty()) change.action = CatalogAction::kUpdate;
  if (plan.active != stored.active) change.action = plan.active ? CatalogAction::kActivate : CatalogAction::kDeactivate;
  return change;
}

// The one default that would stand after applying: the file alone holds at most one already.
absl::Status CheckDefault(const File& file, const std::vector<CatalogChange>& changes) {
  const Plan* kept = nullptr;
  for (const CatalogChange& change : changes) {
    if (change.declared == nullptr && change.stored->is_default && change.stored->active) kept = change.stored;
  }
  if (kept == nullptr) return absl::OkStatus();
  for (const FilePlan& declared : file.plans) {
    if (!declared.plan.is_default || !declared.plan.active) continue;
    return Refuse(Reason::FAILURE_REASON_CATALOG_INVALID, declared.line,
                  absl::StrCat(PathOf(declared.plan), ".default"),
                  absl::StrCat("the stored plan ", kept->code, " is the default: list it without `default: true`"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ActionName(CatalogAction action) {
  switch (action) {
    case CatalogAction::kCreate:
      return "create";
    case CatalogAction::kActivate:
      return "activate";
    case CatalogAction::kDeactivate:
      return "deactivate";
    case CatalogAction::kUpdate:
      return "update";
    case CatalogAction::kUnchanged:
      return "unchanged";
  }
  return "";
}

absl::StatusOr<std::vector<CatalogChange>> DiffCatalog(const File& file, const Catalog& stored) {
  std::vector<CatalogChange> changes;
  std::set<std::string> listed;
  for (const FilePlan& declared : file.plans) {
    listed.insert(declared.plan.code);
    const Plan* published = stored.FindPlan(declared.plan.code);
    if (published == nullptr) {
      RETURN_IF_ERROR(CheckNew(declared, stored));
      changes.push_back(
          {CatalogAction::kCreate, declared.plan.code, declared.plan.active ? "" : "not for sale", &declared, nullptr});
    } else {
      RETURN_IF_ERROR(CheckPublished(declared, *published));
      changes.push_back(CompareState(declared, *published));
    }
  }
  for (const Plan& plan : stored.plans()) {
    if (listed.contains(plan.code)) continue;
    changes.push_back(
        {CatalogAction::kUnchanged, plan.code,
         plan.active ? "not in the file: list it with `active: false` to stop selling it" : "not in the file", nullptr,
         &plan});
  }
  RETURN_IF_ERROR(CheckDefault(file, changes));
  return changes;
}

std::string CatalogDigest(const Catalog& catalog) {
  std::string text;
  for (const Plan& plan : catalog.plans()) {
    // Codes and digests hold no blanks; the name stands last.
    absl::StrAppend(&text, plan.code, " ", plan.content_sha256, " ", plan.active ? 1 : 0, " ", plan.is_default ? 1 : 0,
                    " ", plan.name, "\n");
  }
  for (const catalog::OneOffItem& item : catalog.items()) {
    absl::StrAppend(&text, "item ", item.code, " ", item.content_sha256, " ", item.active ? 1 : 0, " ", item.name,
                    "\n");
  }
  return crypto::Sha256Hex(text);
}

}  // namespace billmesh::checkout
