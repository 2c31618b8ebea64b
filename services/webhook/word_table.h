// Tables of the provider's words: rows of `provider_word`, `status` (ours) and `name` (as stored).
#pragma once

#include <cstdlib>
#include <string_view>

namespace billmesh::webhook {

// Null for a word that isn't in the table.
template <typename Table>
const typename Table::value_type* FindWord(const Table& table, std::string_view word) {
  for (const auto& row : table) {
    if (row.provider_word == word) return &row;
  }
  return nullptr;
}

// The first row of this status, or of this stored name; aborts where there is none: the tables are whole, and the
// database's CHECKs hold the same names.
template <typename Table, typename Status>
const typename Table::value_type& FindStatus(const Table& table, Status status) {
  for (const auto& row : table) {
    if (row.status == status) return row;
  }
  std::abort();
}

template <typename Table>
const typename Table::value_type& FindName(const Table& table, std::string_view name) {
  for (const auto& row : table) {
    if (row.name == name) return row;
  }
  std::abort();
}

}  // namespace billmesh::webhook
