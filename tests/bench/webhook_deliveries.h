// Distinct events of the benchmark's entities, signed ahead of what is measured, and their way to the edge.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/http_load.h"
#include "tests/support/mesh.h"

namespace billmesh::bench {

// Not thread safe.
class Deliveries {
 public:
  // Over the first `entities` that MakeEntities made.
  Deliveries(testing::Mesh& mesh, int entities);

  // An update of an entity's subscription, of about 5 KB as real events are.
  std::string Body(int n, int entity) const;
  // Whole HTTP requests, of entities all over the tables.
  std::vector<std::string> Next(int count);
  // The same, with a refund now and then that comes before the charge that it belongs to.
  std::vector<std::string> NextWithEarlyOnes(int count);
  // One of this entity, but the first, that the database refuses: it claims the first one's item.
  std::string NextPoisoned(int entity);

 private:
  int EntityOf(int n) const;
  std::string Body(int n, int entity, int item) const;
  void AddRefundThenCharge(std::vector<std::string>& requests);
  std::string Sign(const std::string& body) const;

  const std::string secret_, price_, padding_;
  const int entities_;
  int next_ = 0;
};

// Sends them all; ends the benchmark where one isn't answered 200.
Load Deliver(const testing::Mesh& mesh, const DeliveryLoad& options, const std::vector<std::string>& requests);

}  // namespace billmesh::bench
