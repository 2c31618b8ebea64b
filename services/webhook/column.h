// Columns of rows as array parameters: Column(rows, &RefundRow::status) is $n::text[] of unnest().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/db/result.h"
#include "services/webhook/tracked.h"

namespace billmesh::webhook {

// `value` is a member or a function of the row; it gives a text, a whole number, a time, or an optional one of these.
template <typename Row, typename Value>
db::Param Column(const std::vector<const Row*>& rows, Value value) {
  using Given = std::decay_t<std::invoke_result_t<Value, const Row&>>;
  if constexpr (std::is_same_v<Given, absl::Time> || std::is_same_v<Given, std::optional<absl::Time>>) {
    std::vector<std::optional<absl::Time>> column;
    for (const Row* row : rows) column.emplace_back(std::invoke(value, *row));
    return db::Param::TimeArray(column);
  } else if constexpr (std::is_same_v<Given, int64_t> || std::is_same_v<Given, std::optional<int64_t>>) {
    std::vector<Given> column;
    for (const Row* row : rows) column.emplace_back(std::invoke(value, *row));
    return db::Param::IntArray(column);
  } else if constexpr (std::is_same_v<Given, std::optional<std::string>>) {
    std::vector<Given> column;
    for (const Row* row : rows) column.push_back(std::invoke(value, *row));
    return db::Param::TextArray(column);
  } else {
    std::vector<std::string> column;
    for (const Row* row : rows) column.emplace_back(std::invoke(value, *row));
    return db::Param::TextArray(column);
  }
}

// $n::uuid[]; `value` gives a text, or an optional one.
template <typename Row, typename Value>
db::Param UuidColumn(const std::vector<const Row*>& rows, Value value) {
  std::vector<std::decay_t<std::invoke_result_t<Value, const Row&>>> column;
  for (const Row* row : rows) column.push_back(std::invoke(value, *row));
  return db::Param::UuidArray(column);
}

// Of the column pair that every row's version is stored in.
template <typename Row>
std::optional<absl::Time> VersionTime(const Row& row) {
  return row.version.at;
}
template <typename Row>
std::string VersionEvent(const Row& row) {
  return row.version.event_id;
}

}  // namespace billmesh::webhook
