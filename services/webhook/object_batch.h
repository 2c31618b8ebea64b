// Objects of the provider's on their way into the projection: bound, locked, decided and written by one piece of code,
// whatever brought them (REC-3): events as they come, stored events that are taken up later, snapshots that were
// fetched.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/outbox/refresh_job.h"
#include "services/webhook/binding_rules.h"
#include "services/webhook/customer_store.h"
#include "services/webhook/payment_store.h"
#include "services/webhook/projection_read_store.h"
#include "services/webhook/projection_rules.h"
#include "services/webhook/projection_write_store.h"

namespace billmesh::webhook {

// One transaction's worth. Not thread safe.
class ObjectBatch {
 public:
  struct Item {
    Owner owner = Owner::kNone;
    const ProviderObject* object = nullptr;  // not owned; of the owner's kind
    EventKeys keys;
    Version version;
    ObjectResult* result = nullptr;  // not owned; kPending until Apply
  };

  // All must outlive this object.
  ObjectBatch(std::string_view env, std::string_view provider, IdGenerator& ids)
      : env_(env), provider_(provider), ids_(ids) {}

  void Add(Item item) { items_.push_back(std::move(item)); }
  // Queues what Apply must know of all that was added: the locks on what objects share, then the evidence. In a
  // transaction of the system scope; once.
  void Ask(db::Tx& tx);
  // Takes back what was added with this result.
  void Remove(const ObjectResult& result);
  // Binds the objects, locks their entities in id order, loads what is stored and decides, in the order of adding: the
  // results are final. After Ask; once.
  absl::Status Apply(db::Tx& tx);
  // Writes the rows that changed, and promises a refresh of what was tied or is missed. Queued: done with the next
  // statement that is run, or before the commit; then `duplicates` has the duplicate subscriptions that are new.
  absl::Status Write(db::Tx& tx, std::vector<Duplicate>& duplicates);
  // Gives each entity whose content changed its next revision and tells the change feed. Last, because the entity's row
  // is what others wait for. Queued: then `changes` has them.
  void BumpChanged(db::Tx& tx, std::vector<EntityChange>& changes) const;
  // The provider's ids of the objects that this transaction projected first and others may wait for.
  std::vector<std::string> BornIds() const;
  // The entities that something is bound to, in id order.
  std::vector<std::string> entity_ids() const;

 private:
  void TakeTurns(db::Tx& tx) const;
  void Bind();
  absl::Status Load(db::Tx& tx);
  Applied ApplyOne(const Item& item, EntityState& state);
  std::vector<outbox::NewJob> RefreshJobs() const;

  const std::string_view env_;
  const std::string_view provider_;
  IdGenerator& ids_;
  std::vector<Item> items_;
  Evidence evidence_;
  std::map<std::string, EntityState> states_;
};

}  // namespace billmesh::webhook
