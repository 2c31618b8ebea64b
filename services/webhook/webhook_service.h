// The use case of this daemon: events are stored and applied, each once, in one transaction a batch (WHK-2); what the
// transaction did is told to others after its commit.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/webhook/change_notifier.h"
#include "services/webhook/event_batch.h"

namespace billmesh::webhook {

// Thread safe.
class WebhookService {
 public:
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    ChangeNotifier& notifier;
  };
  WebhookService(const Deps& deps, BatchSettings settings) : deps_(deps), settings_(std::move(settings)) {}

  // Stores and applies the events; the answers are in their order. OK means durable, whatever became of the event.
  // A fault (database_unavailable, commit_in_doubt, transaction_conflict, overloaded) answers all of them alike and
  // counts no attempt. A data error of the database splits the batch: each event runs alone, and one that can't be
  // applied is stored as failed (WHK-9). LEASE_LOST for a stored event whose lease is gone: nothing was written.
  // Blocks.
  std::vector<absl::StatusOr<EventResult>> Apply(const std::vector<Incoming>& events);

  // Stores one event as failed with this reason, without applying it.
  absl::StatusOr<EventResult> StoreAsFailed(const Incoming& event, const std::string& reason);

  // Tells others what a committed batch did: metrics, logs, guardrails, hints.
  void Publish(const std::vector<Incoming>& events, const BatchOutcome& outcome);

 private:
  absl::StatusOr<BatchOutcome> Transact(const std::vector<Incoming>& events, const std::string* failure);

  const Deps deps_;
  const BatchSettings settings_;
};

}  // namespace billmesh::webhook
