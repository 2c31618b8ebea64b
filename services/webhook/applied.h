// What applying an object of the provider's does, and what it needs to know. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// An object of the provider's, by what we call its kind (object_format.h).
struct ObjectToFetch {
  std::string_view kind;
  std::string id;
  friend bool operator==(const ObjectToFetch&, const ObjectToFetch&) = default;
};

// What an object did.
struct Applied {
  Disposition disposition = Disposition::kProcessed;
  std::string reason;  // unless processed
  // When processed: "applied", "unchanged" (as new, nothing else) or "stale" (older than what is here).
  const char* result = "";
  bool tie = false;                          // only the event's id decided between two contents (WHK-5)
  std::optional<ObjectToFetch> fetch;        // another that must be looked at to know the truth (WHK-5)
  bool canonical_tie = false;                // two live subscriptions were made in the same second (WHK-8)
  std::optional<std::string> before_digest;  // of the object's row; absent where it's new
  std::optional<std::string> after_digest;   // absent unless applied
  std::vector<SessionChange> session_changes;
  bool dispute_opened = false;  // nobody knew of it before (WHK-12)
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
  // Of a parked one: the provider's ids of what it waits for, besides its customer's link.
  std::vector<std::string> waits_for;
};

// Reasons of a failed event.
inline constexpr char kUnknownStatus[] = "unknown_status";
inline constexpr char kRepeatedItem[] = "repeated_item";
inline constexpr char kPartOfItems[] = "part_of_items";
inline constexpr char kNoCustomer[] = "no_customer";
inline constexpr char kObjectNotRead[] = "object_not_read";
// Reason of an ignored one: nothing to keep of a session before it ends, unless checkout made its row.
inline constexpr char kSessionStillOpen[] = "session_still_open";
// Reasons of a parked one: it belongs to an object that isn't here yet.
inline constexpr char kPaymentNotStored[] = "payment_not_stored";
inline constexpr char kInvoiceNotStored[] = "invoice_not_stored";
// Reason of an ignored one: what paid the invoice is nothing that we keep.
inline constexpr char kPaidOutOfBand[] = "paid_out_of_band";

inline Applied Refuse(Disposition disposition, const char* reason) {
  Applied applied;
  applied.disposition = disposition;
  applied.reason = reason;
  return applied;
}

// Fills in what became of the row; `before` is the row as it was before the object, none if the object made it.
template <typename Row>
void NoteResult(const std::optional<Row>& before, const Row& after, Applied& applied) {
  if (before.has_value()) applied.before_digest = DigestOf(*before);
  applied.after_digest = DigestOf(after);
  applied.result = applied.before_digest == applied.after_digest ? kUnchanged : kApplied;
}

}  // namespace billmesh::webhook
