// The columns of a projection: how the database says them, and how the provider's JSON does. The second is no work of
// our readers: one misunderstanding can't hide in both.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/fault/life.h"

namespace billmesh::convergence {

// What the provider has at the end of a life.
class Oracle {
 public:
  using Json = nlohmann::ordered_json;
  explicit Oracle(const Life& life);

  const Life& life() const { return life_; }
  // Those of a kind of ours, by id.
  const std::map<std::string, Json>& All(const std::string& kind) const;
  const Json& Find(const std::string& kind, const std::string& id) const;  // null where there is none
  // dup_canonical_v1, computed anew: of the living subscriptions the one that counts; empty: none.
  const std::string& canonical() const { return canonical_; }

 private:
  const Life& life_;
  std::map<std::string, std::map<std::string, Json>> objects_;
  std::string canonical_;
};

bool Lives(const Oracle::Json& subscription);
// A member, null where it is missing; and as the database writes it.
const Oracle::Json& MemberOf(const Oracle::Json& object, const std::string& name);
std::string SayMember(const Oracle::Json& object, const std::string& name);

struct Column {
  const char* name;
  std::string sql;  // over `t`, the table's row
  std::function<std::string(const Oracle&, const Oracle::Json&)> expected;
};

// What a missing value looks like.
inline constexpr char kNothing[] = "-";

struct ProjectedTable {
  const char* name;
  const char* from;     // what stands after FROM
  const char* id;       // SQL of the row's name
  const char* version;  // SQL of the event and the time that it was last written from; null: it has none
  // What of the provider's has a row, by the row's name.
  std::function<std::map<std::string, Oracle::Json>(const Oracle&)> rows;
  std::vector<Column> columns;
};
const std::vector<ProjectedTable>& ProjectedTables();
std::vector<ProjectedTable> MoneyTables();  // its part of it

}  // namespace billmesh::convergence
