#include "services/checkout/item_store.h"

#include <utility>

#include "common/status/status.h"

namespace billmesh::checkout {

absl::StatusOr<std::optional<catalog::OneOffItem>> FindItem(db::Tx& tx, std::string_view code) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(R"sql(
    SELECT i.id, i.code, i.name, i.applies_to, i.provider, i.provider_product_id, i.provider_price_id, i.currency,
           i.unit_amount_minor, i.active, i.content_sha256, g.key, g.schema_version, g.payload, g.duration_seconds
    FROM billing.catalog_items i
    LEFT JOIN billing.catalog_item_grants g ON g.item_id = i.id
    WHERE i.code = $1
    ORDER BY g.key
  )sql",
                                                  {code}));
  if (rows.empty()) return std::optional<catalog::OneOffItem>();
  const db::Row first = rows[0];
  catalog::OneOffItem item{.id = first.Text(0),
                           .code = first.Text(1),
                           .name = first.Text(2),
                           .applies_to = first.Text(3),
                           .provider = first.Text(4),
                           .provider_product_id = first.Text(5),
                           .provider_price_id = first.Text(6),
                           .currency = first.Text(7),
                           .unit_amount_minor = first.Int(8),
                           .active = first.Bool(9),
                           .content_sha256 = first.Text(10),
                           .grants = {},
                           .invalid_grants = {}};
  for (int n = 0; n < rows.size(); ++n) {
    const db::Row row = rows[n];
    if (row.IsNull(11)) continue;  // an item that grants nothing
    catalog::AddStoredGrant(row.Text(11), row.View(12), row.View(13), row.OptInt(14), item);
  }
  return std::optional<catalog::OneOffItem>(std::move(item));
}

}  // namespace billmesh::checkout
