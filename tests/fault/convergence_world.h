// Delivers one life to many tenants at once, each in an order of its own, through the services as the webhook daemon
// wires them, on a real database.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "services/webhook/projection_service.h"
#include "tests/fault/delivery_order.h"
#include "tests/fault/life.h"
#include "tests/fault/marked_text.h"
#include "tests/fault/projection_dump.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::convergence {

// What came of one order.
struct Outcome {
  Projection projection;
  // Events that ended where none may, and objects that couldn't be projected; empty: as it should be.
  std::vector<std::string> troubles;
};

class ConvergenceWorld {
 public:
  struct Counts {
    int64_t deliveries = 0, duplicates = 0, projected = 0, refreshes = 0, parked = 0;
  };

  ConvergenceWorld();

  // Each order on a tenant of its own; the outcomes are in their order. What earlier calls left is gone. `seed` decides
  // how the tenants' steps are interleaved.
  std::vector<Outcome> Run(const Life& life, const std::vector<DeliveryOrder>& orders, uint64_t seed);
  const Counts& counts() const { return counts_; }

 private:
  struct Tenant {
    const DeliveryOrder* order;
    std::string entity_id;
    std::string suffix;
    size_t next = 0;
    bool batched = false;                              // a delivery of its is in the batch that isn't applied yet
    std::vector<webhook::FetchedObject> unbound = {};  // that nothing stored knew when they were fetched
    std::vector<std::string> troubles = {};
  };

  void LoadTexts(const Life& life);
  void AddTenants(const std::vector<DeliveryOrder>& orders);
  void Round(std::mt19937_64& chance);
  void TakeSteps(Tenant& tenant, std::mt19937_64& chance);
  void Flush();
  void FlushEvents();
  void FlushObjects();

  void Deliver(Tenant& tenant, const Step& step);
  void Link(Tenant& tenant);
  void Start(Tenant& tenant, const LifeOperation& operation, size_t index);
  void InsertOperation(const Tenant& tenant, const LifeOperation& operation);
  void InsertSession(const Tenant& tenant, const LifeOperation& operation);
  void Project(Tenant& tenant, const std::vector<std::pair<LifeObject, MarkedText>>& objects, int64_t date);
  void Drain(Tenant* only);
  void Judge(Tenant& tenant, const webhook::FetchedObject& fetched, const webhook::ProjectedObject& projected);
  void ProjectUnbound();
  void Quiesce();
  void NoteStuckEvents();
  std::string Own(const Tenant& tenant, const std::string& text) const;

  using Texts = std::vector<std::pair<LifeObject, MarkedText>>;
  testing::TestDatabase database_;
  webhook::Replica replica_{database_, "replica-1"};
  webhook::ProjectionService projection_{{replica_.pool, replica_.ids, replica_.notifier, replica_.source},
                                         webhook::DefaultSettings()};
  const Life* life_ = nullptr;
  std::vector<std::array<MarkedText, kShapes>> events_;
  std::vector<Texts> snapshots_, before_start_;
  Texts present_;
  std::vector<Tenant> tenants_;
  std::map<std::string, Tenant*> tenant_of_;  // by entity
  std::vector<webhook::Incoming> incoming_;
  std::vector<std::pair<Tenant*, webhook::FetchedObject>> fetched_;
  Counts counts_;
};

}  // namespace billmesh::convergence
