#include "services/checkout/catalog_item_diff.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using catalog::Catalog;
using catalog::FileItem;
using catalog::OneOffItem;

absl::Status Refuse(Reason reason, const FileItem& declared, std::string_view member, const std::string& what) {
  const int line = declared.price.line;
  const std::string where = absl::StrCat("items[", declared.item.code, "]", AbslView(member));
  return Fail(reason, absl::StrCat("line ", line, ": ", where, ": ", what),
              {{"line", std::to_string(line)}, {"where", where}, {"what", "item"}});
}

absl::Status CheckPublished(const FileItem& declared, const OneOffItem& stored) {
  if (declared.item.content_sha256 == stored.content_sha256) return absl::OkStatus();
  std::string change = catalog::DescribeContentChange(stored, declared.item);
  // As with plans: the stored rows were changed behind the catalog's back.
  if (change.empty()) change = "stored with another content";
  return Refuse(Reason::FAILURE_REASON_ALREADY_EXISTS, declared, "",
                absl::StrCat("a published item never changes; publish another code (", change, ")"));
}

// A new item may not take a price that is sold as something else.
absl::Status CheckNew(const FileItem& declared, const Catalog& stored) {
  const OneOffItem& item = declared.item;
  const auto taken = [&](const std::string& by) {
    return Refuse(Reason::FAILURE_REASON_CATALOG_INVALID, declared, ".provider_price_id",
                  absl::StrCat("belongs to the stored ", by));
  };
  if (const auto price = stored.FindPrice(item.provider, item.provider_price_id); price.has_value()) {
    return taken(absl::StrCat("plan ", price->plan->code));
  }
  const auto same_price = [&](const OneOffItem& other) {
    return other.provider == item.provider && other.provider_price_id == item.provider_price_id;
  };
  const auto other = std::find_if(stored.items().begin(), stored.items().end(), same_price);
  return other == stored.items().end() ? absl::OkStatus() : taken(absl::StrCat("item ", other->code));
}

ItemChange CompareState(const FileItem& declared, const OneOffItem& stored) {
  const OneOffItem& item = declared.item;
  ItemChange change{CatalogAction::kUnchanged, item.code, "", &declared, &stored};
  if (item.name != stored.name) {
    change.action = CatalogAction::kUpdate;
    change.detail = absl::StrCat("name: \"", stored.name, "\" → \"", item.name, "\"");
  }
  if (item.active != stored.active) change.action = item.active ? CatalogAction::kActivate : CatalogAction::kDeactivate;
  return change;
}

}  // namespace

absl::StatusOr<std::vector<ItemChange>> DiffItems(const catalog::File& file, const Catalog& stored) {
  std::vector<ItemChange> changes;
  std::set<std::string> listed;
  for (const FileItem& declared : file.items) {
    const OneOffItem& item = declared.item;
    listed.insert(item.code);
    const OneOffItem* published = stored.FindItem(item.code);
    if (published == nullptr) {
      RETURN_IF_ERROR(CheckNew(declared, stored));
      changes.push_back({CatalogAction::kCreate, item.code, item.active ? "" : "not for sale", &declared, nullptr});
    } else {
      RETURN_IF_ERROR(CheckPublished(declared, *published));
      changes.push_back(CompareState(declared, *published));
    }
  }
  for (const OneOffItem& item : stored.items()) {
    if (listed.contains(item.code)) continue;
    changes.push_back(
        {CatalogAction::kUnchanged, item.code,
         item.active ? "not in the file: list it with `active: false` to stop selling it" : "not in the file", nullptr,
         &item});
  }
  return changes;
}

}  // namespace billmesh::checkout
