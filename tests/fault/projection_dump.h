// What a tenant's projection says, as text that can be compared byte by byte: read from the database, and written down
// from the provider's own objects, straight from their JSON. One table of columns says both (projection_columns.h).
#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/db/result.h"
#include "tests/fault/life.h"

namespace billmesh::convergence {

struct ProjectedRow {
  std::string content;
  // The event that it was last written from, and when: the same in whatever order everything comes, as long as nothing
  // is fetched.
  std::string version;
  bool fetched = false;  // written from a fetched object
};
// By table and the provider's id. Our own ids and times of writing aren't in it.
using Projection = std::map<std::string, ProjectedRow>;

// Of every entity, by its id. `query` runs a statement that sees every tenant's rows.
std::map<std::string, Projection> ReadProjections(const std::function<db::Result(const std::string& sql)>& query);

// What the projection of a tenant with this life must be, once it knows all.
Projection Expected(const Life& life);

// Lines of what differs: rows that only one has, and rows of other content; empty where they're the same. With
// `versions`, of rows that were both written from events the versions count too.
std::string Differences(const Projection& a, const Projection& b, bool versions);

}  // namespace billmesh::convergence
