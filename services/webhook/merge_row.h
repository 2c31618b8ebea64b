// The merge of an object with one version into its row: the same steps for every kind (WHK-5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/webhook/applied.h"
#include "services/webhook/tracked.h"

namespace billmesh::webhook {

// The row with this id of the provider's; null if there is none.
template <typename Row>
Tracked<Row>* FindRow(std::vector<Tracked<Row>>& rows, std::string Row::*key, const std::string& id) {
  for (Tracked<Row>& tracked : rows) {
    if (tracked.row.*key == id) return &tracked;
  }
  return nullptr;
}

// Which row an object is.
template <typename Row>
struct RowIdentity {
  std::string Row::*key;  // the column of the provider's id
  const std::string& id;
  const std::string& entity_id;
};

// Finds the object's row, or makes one with `begin`; a tie counts where the two versions say different things; `take`
// copies the object's facts where its version wins. `stage` is the incoming object's; `stored_stage` tells a row's.
template <typename Row, typename StoredStage, typename Begin, typename Take>
Applied MergeRow(std::vector<Tracked<Row>>& rows, const RowIdentity<Row>& identity, Stage stage,
                 StoredStage stored_stage, const ApplyContext& context, Begin begin, Take take) {
  Applied applied;
  std::optional<Row> before;
  Tracked<Row>* tracked = FindRow(rows, identity.key, identity.id);
  if (tracked == nullptr) {
    tracked = &rows.emplace_back();
    tracked->row.id = context.new_row_id;
    tracked->row.entity_id = identity.entity_id;
    tracked->row.*identity.key = identity.id;
    begin(tracked->row);
  } else {
    before = tracked->row;
    const Precedence incoming{stage, context.version};
    const Precedence stored{stored_stage(*before), before->version};
    if (IsTie(incoming, stored)) {
      Row candidate = *before;
      take(candidate);
      applied.tie = !(candidate == *before);
    }
    if (!Wins(incoming, stored)) {
      applied.result = kStale;
      return applied;
    }
  }
  take(tracked->row);
  tracked->row.version = context.version;
  NoteResult(before, tracked->row, applied);
  return applied;
}

}  // namespace billmesh::webhook
