// What the stores of projected rows share: keeping what was loaded, which rows are written, and the error when an
// object of the provider's turns out to be another row's already. An upsert finds that out by itself
// (billing.refuse_key), so that the commit needn't wait for its answer.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/db/result.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// Adds a row to its entity's state, as it is stored.
template <typename Row>
void Keep(Row row, std::vector<Tracked<Row>> EntityState::*kind, std::map<std::string, EntityState>& states) {
  Tracked<Row> tracked;
  tracked.stored = row;
  tracked.row = std::move(row);
  std::vector<Tracked<Row>>& rows = states[tracked.row.entity_id].*kind;
  rows.push_back(std::move(tracked));
}

// CONSTRAINT_VIOLATION naming the unique key.
absl::Status Taken(const char* constraint);

// The rows of one kind that differ from what is stored.
template <typename Row>
std::vector<const Row*> WrittenRows(const std::map<std::string, EntityState>& states,
                                    std::vector<Tracked<Row>> EntityState::*kind) {
  std::vector<const Row*> rows;
  for (const auto& [entity_id, state] : states) {
    for (const Tracked<Row>& tracked : state.*kind) {
      if (tracked.Written()) rows.push_back(&tracked.row);
    }
  }
  return rows;
}

// ON CONFLICT can't touch one row twice: says so ourselves, as the data error that it is.
absl::Status CheckDistinct(const std::vector<std::string>& keys, const char* constraint);
template <typename Row>
absl::Status CheckDistinct(const std::vector<const Row*>& rows, std::string Row::*key, const char* constraint) {
  std::unordered_set<std::string_view> distinct;
  for (const Row* row : rows) {
    if (!distinct.insert(row->*key).second) return Taken(constraint);
  }
  return absl::OkStatus();
}

}  // namespace billmesh::webhook
