#include "tests/fault/projection_dump.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/fault/projection_columns.h"

namespace billmesh::convergence {
namespace {

// entity, name, content, version
std::string QueryOf(const ProjectedTable& table) {
  std::string content = "concat_ws(' '";
  for (const Column& column : table.columns) {
    absl::StrAppend(&content, ", '", column.name, "=' || coalesce((", column.sql, ")::text, '", kNothing, "')");
  }
  return absl::StrCat("SELECT t.entity_id::text, ", table.id, ", ", content, "), coalesce(",
                      table.version == nullptr ? "''" : table.version, ", '') FROM ", table.from);
}

// Those that differ, of two rows of one table.
std::string ColumnsApart(const std::string& a, const std::string& b) {
  const std::vector<std::string> first = absl::StrSplit(a, ' '), second = absl::StrSplit(b, ' ');
  if (first.size() != second.size()) return absl::StrCat(" ", a, " and ", b);
  std::string apart;
  for (size_t n = 0; n < first.size(); ++n) {
    if (first[n] != second[n]) absl::StrAppend(&apart, " ", first[n], " and ", second[n], ";");
  }
  return apart;
}

std::string NameOf(const ProjectedTable& table, const std::string& id) { return absl::StrCat(table.name, " ", id); }

}  // namespace

std::map<std::string, Projection> ReadProjections(const std::function<db::Result(const std::string& sql)>& query) {
  std::map<std::string, Projection> projections;
  for (const ProjectedTable& table : ProjectedTables()) {
    const db::Result rows = query(QueryOf(table));
    for (int n = 0; n < rows.size(); ++n) {
      ProjectedRow row{rows[n].Text(2), rows[n].Text(3)};
      // What a fetch wrote has a mark instead of an event's id, with a space in it.
      row.fetched = absl::StrContains(row.version, "fetched ");
      projections[rows[n].Text(0)][NameOf(table, rows[n].Text(1))] = std::move(row);
    }
  }
  return projections;
}

Projection Expected(const Life& life) {
  const Oracle oracle(life);
  Projection projection;
  for (const ProjectedTable& table : ProjectedTables()) {
    for (const auto& [id, object] : table.rows(oracle)) {
      std::string content;
      for (const Column& column : table.columns) {
        absl::StrAppend(&content, content.empty() ? "" : " ", column.name, "=", column.expected(oracle, object));
      }
      projection[NameOf(table, id)] = {std::move(content)};
    }
  }
  return projection;
}

std::string Differences(const Projection& a, const Projection& b, bool versions) {
  std::string lines;
  for (const auto& [name, row] : a) {
    const auto at = b.find(name);
    if (at == b.end()) {
      absl::StrAppend(&lines, "  only the first has ", name, ": ", row.content, "\n");
    } else if (row.content != at->second.content) {
      absl::StrAppend(&lines, "  ", name, ":", ColumnsApart(row.content, at->second.content), "\n");
    } else if (versions && !row.fetched && !at->second.fetched && row.version != at->second.version) {
      absl::StrAppend(&lines, "  ", name, " is of ", row.version, " and of ", at->second.version, "\n");
    }
  }
  for (const auto& [name, row] : b) {
    if (a.count(name) == 0) absl::StrAppend(&lines, "  only the second has ", name, ": ", row.content, "\n");
  }
  return lines;
}

}  // namespace billmesh::convergence
