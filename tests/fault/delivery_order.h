// In what order, how often and whether at all a life's events come to a tenant, and what is fetched meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/fault/life.h"

namespace billmesh::convergence {

struct Step {
  enum class Kind {
    kDeliver,  // the life's event `index`
    kStart,    // the life's operation `index` is stored, as it was before its events could come
    kLink,     // the customer is linked to the entity
    kProject,  // the life's snapshot `index` is projected
    kRefresh,  // the provider's present is projected
    kDrain,    // what was promised because of ties is refreshed
  };
  Kind kind = Kind::kDeliver;
  size_t index = 0;
  Shape shape = Shape::kPinned;
};

struct DeliveryOrder {
  uint64_t seed = 0;
  std::string name;    // for people
  bool lossy = false;  // something never comes; then there is a kRefresh
  bool plain = false;  // every event comes, and nothing is fetched unless promised: rows' versions must agree too
  std::vector<Step> steps;
};

// As it happened, each event once.
DeliveryOrder InOrder(const Life& life, Shape shape);
DeliveryOrder RandomOrder(const Life& life, uint64_t seed);
// The order without some of what comes in it: all deliveries of an event, a snapshot, the present. Each by a step that
// stands for it.
DeliveryOrder Without(const DeliveryOrder& order, const std::vector<Step>& gone);
// What comes in the order, in the order of its times, each once.
DeliveryOrder Sorted(const Life& life, const DeliveryOrder& order);
// Whether the two bring the same: the event in whatever shape, the snapshot.
bool SameSubject(const Step& a, const Step& b);

}  // namespace billmesh::convergence
