// How an object of the provider's changes what we have of an entity. Pure: works on the rows that are loaded under the
// entity's lock. The same rules for events as they arrive, for stored events taken up later, and for snapshots that are
// fetched.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/provider/objects.h"
#include "services/webhook/binding_rules.h"
#include "services/webhook/event_rules.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// A change of a checkout session's status, or its late payment (CHK-3).
struct SessionChange {
  std::string operation_key;
  std::optional<std::string> provider_session_id;
  std::optional<SessionStatus> from;  // none: the row is new (WHK-10)
  SessionStatus to;
  bool paid_late = false;
  std::optional<std::string> before_digest = {};  // of the row; none: it is new
  std::string after_digest = {};
};

// Where the object comes from and what is known about it.
struct ApplyContext {
  Version version;
  // The operation that it carries, where it's one of ours; and what is stored about it, where its row is still there.
  std::optional<std::string> operation_key;
  const OperationFact* operation = nullptr;
  // The customer that it names, where that is linked to the entity.
  std::optional<std::string> linked_customer_id;
  // For the row, should it be new.
  std::string new_row_id;
};

// What an object did.
struct Applied {
  Disposition disposition = Disposition::kProcessed;
  std::string reason;  // unless processed
  // When processed: "applied", "unchanged" (as new, nothing else) or "stale" (older than what is here).
  const char* result = "";
  bool tie = false;                          // only the event's id decided (WHK-5)
  bool canonical_tie = false;                // two live subscriptions were made in the same second (WHK-8)
  std::optional<std::string> before_digest;  // of the object's row; absent where it's new
  std::optional<std::string> after_digest;   // absent unless applied
  std::vector<SessionChange> session_changes;
};

inline constexpr char kApplied[] = "applied";
inline constexpr char kUnchanged[] = "unchanged";
inline constexpr char kStale[] = "stale";

// What became of one object, whatever brought it.
struct ObjectResult {
  Disposition disposition = Disposition::kPending;
  std::string reason;
  Applied applied;  // when processed
  std::string entity_id;
  // Of one that isn't bound though something stored speaks of it: whom that names. For logs only.
  std::string correlated_entity_id;
  std::optional<std::string> operation_key;
};

// Reasons of a failed event.
inline constexpr char kUnknownStatus[] = "unknown_status";
inline constexpr char kRepeatedItem[] = "repeated_item";
inline constexpr char kNoCustomer[] = "no_customer";
// Reason of an ignored one: nothing to keep of a session before it ends, unless checkout made its row.
inline constexpr char kSessionStillOpen[] = "session_still_open";

Applied ApplyCheckoutSession(EntityState& state, const provider::CheckoutSession& session, const ApplyContext& context);
Applied ApplySubscription(EntityState& state, const provider::Subscription& subscription, const ApplyContext& context);
Applied ApplyInvoice(EntityState& state, const provider::Invoice& invoice, const ApplyContext& context);

// dup_canonical_v1 (WHK-8): of the live subscriptions the one that the provider made first, incomplete ones last, then
// the lowest id. Derives is_current from it and notes each other one as a duplicate. True when the time of making
// didn't decide.
inline constexpr char kCanonicalAlgorithm[] = "dup_canonical_v1";
bool DeriveCurrent(EntityState& state);

// WHK-7: a session that is complete and whose subscription is projected has nothing left to wait for.
void ReconcileSessions(EntityState& state, std::vector<SessionChange>& changes);

}  // namespace billmesh::webhook
