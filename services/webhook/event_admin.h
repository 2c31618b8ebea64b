// What operators do with stored events (WHK-4, WHK-9): look, apply again, say whose one is, put away. Each action is
// one transaction: the event's lease, what it does, the audit row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/event_source.h"
#include "services/webhook/event_admin_store.h"
#include "services/webhook/event_batch.h"
#include "services/webhook/webhook_service.h"

namespace billmesh::webhook {

inline constexpr int kDefaultEventPage = 50;
inline constexpr int kMaxEventPage = 100;
inline constexpr size_t kMaxDismissReason = 200;

struct EventPage {
  std::vector<EventRow> events;
  std::string next_page_token;  // empty on the last page
};

struct Replayed {
  std::string provider_event_id;
  std::string status_before;
  EventResult result;
};

struct ReplayPage {
  std::vector<Replayed> events;
  std::string next_page_token;
};

// Thread safe.
class EventAdmin {
 public:
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    WebhookService& service;
    const provider::EventSource& source;
  };
  EventAdmin(const Deps& deps, BatchSettings settings) : deps_(deps), settings_(std::move(settings)) {}

  // page_size: 1 to kMaxEventPage. INVALID_ARGUMENT for a page token that isn't one.
  absl::StatusOr<EventPage> List(const EventFilter& filter, int page_size, const std::string& page_token);
  // Applies the events of a page again, newest first, each in a transaction of its own. With `dry_run` each is taken
  // back. One that a worker holds is left out: its result's reason says so.
  absl::StatusOr<ReplayPage> Replay(const std::string& actor, const EventFilter& filter, bool dry_run, int page_size,
                                    const std::string& page_token);
  // NOT_FOUND, INVALID_ARGUMENT (another status), LEASE_LOST.
  absl::StatusOr<Replayed> Bind(const std::string& actor, const std::string& provider_event_id,
                                const std::string& entity_id);
  // The status before. NOT_FOUND, INVALID_ARGUMENT (another status), LEASE_LOST.
  absl::StatusOr<std::string> Dismiss(const std::string& actor, const std::string& provider_event_id,
                                      const std::string& reason);

 private:
  struct Action {
    std::string actor;
    const char* audit_action;
    std::optional<std::string> bind_to = {};
    bool dry_run = false;
  };
  absl::StatusOr<Replayed> Apply(const std::string& provider_event_id, const Action& action);
  absl::StatusOr<BatchOutcome> ApplyIn(db::Tx& tx, const LeasedEvent& leased, const Action& action,
                                       std::vector<Incoming>& events, const std::string* failure);
  absl::Status Audit(db::Tx& tx, const std::string& actor, const char* action, const std::string& provider_event_id,
                     const std::optional<std::string>& entity_id, const std::string& detail_json);

  const Deps deps_;
  const BatchSettings settings_;
};

}  // namespace billmesh::webhook
