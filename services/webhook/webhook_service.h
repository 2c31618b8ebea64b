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
#include "services/webhook/suspects.h"

namespace billmesh::webhook {

// Thread safe.
class WebhookService {
 public:
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    ChangeNotifier& notifier;
    Suspects& suspects;
  };
  WebhookService(const Deps& deps, BatchSettings settings) : deps_(deps), settings_(std::move(settings)) {}

  using Answers = std::vector<absl::StatusOr<EventResult>>;  // in the events' order

  // Stores and applies the events. OK means durable, whatever became of the event. A new one that is suspect is only
  // stored, so that it costs the others nothing; workers apply it. A fault of ours (database_unavailable,
  // commit_in_doubt, overloaded) answers all of them alike and counts no attempt. What concerns one entity splits the
  // batch, and each event runs alone: one that the database refuses is stored as failed (WHK-9); one whose lock
  // somebody holds is set aside too, or, where it's stored already, answered transaction_conflict, and counts no
  // attempt. Either makes it a suspect. LEASE_LOST for all of them where a stored one's lease is gone: nothing was
  // written. Blocks.
  Answers Apply(const std::vector<Incoming>& events);

  // Stores one event as failed with this reason, without applying it.
  absl::StatusOr<EventResult> StoreAsFailed(const Incoming& event, const std::string& reason);

  // Tells others what a committed batch did: metrics, logs, guardrails, hints.
  void Publish(const std::vector<Incoming>& events, const BatchOutcome& outcome);

 private:
  Answers TryAll(const std::vector<Incoming>& events);
  Answers TryEachAlone(const std::vector<Incoming>& events);
  void SetAsideLocked(const std::vector<Incoming>& events, Answers& answers);
  Answers Finish(const std::vector<Incoming>& events, absl::StatusOr<BatchOutcome> outcome);
  absl::StatusOr<BatchOutcome> Transact(const std::vector<Incoming>& events, const SetAsideFn& set_aside,
                                        const std::string* failure = nullptr);

  const Deps deps_;
  const BatchSettings settings_;
};

}  // namespace billmesh::webhook
