// What an event is about and whether it counts: the ownership matrix, the merge rule, and where an event ends up. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/provider/objects.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// What became of an event; the stored status of the same name.
enum class Disposition { kPending, kProcessed, kIgnored, kParked, kQuarantined, kFailed, kDead, kDismissed };
std::string_view NameOf(Disposition disposition);
std::optional<Disposition> ParseDisposition(std::string_view stored);

// The projections, each with the one family of events that writes it (WHK-3).
enum class Owner { kNone, kCheckoutSessions, kSubscriptions, kInvoices, kPayments, kCustomers, kPaymentMethods };

struct TypeRule {
  std::string_view prefix;  // of the event's type; the longest that matches counts
  Owner owner;
  bool applied;           // false: stored as ignored, by name
  std::string_view kind;  // of the object that such an event is about, where it is applied (object_format.h)
};

// The ownership matrix. Types that nothing here matches are unknown: stored as ignored too.
const std::vector<TypeRule>& OwnershipMatrix();
// Who takes an object of this kind, and our word for the kind (object_format.h).
Owner OwnerOf(const provider::Object& object);
std::string_view KindOf(const provider::Object& object);
// Null for an unknown type.
const TypeRule* RuleFor(std::string_view type);

// Reasons of an ignored event.
inline constexpr char kEnvironmentMismatch[] = "environment_mismatch";
inline constexpr char kConnectedAccount[] = "connected_account";
inline constexpr char kUnknownType[] = "unknown_type";
inline constexpr char kTypeNotKept[] = "type_not_kept";
inline constexpr char kObjectWithoutId[] = "object_without_id";
inline constexpr char kNotOurCheckout[] = "not_our_checkout";
inline constexpr char kSessionModeNotKept[] = "session_mode_not_kept";
inline constexpr char kPaymentLinkSession[] = "payment_link_session";  // what was paid is its invoice (PRT-2)

// Why an event is pending. It doesn't hold the whole of its object, which must be fetched first (WHK-6).
inline constexpr char kNeedsFetch[] = "needs_fetch";
// Or it was set aside: events like it may spoil a batch (suspects.h), or it waited for a lock in vain.
inline constexpr char kSetAside[] = "set_aside";
// Reason of an ignored one: the provider has no such object any more.
inline constexpr char kObjectGone[] = "object_gone";

struct Routed {
  // kPending without a reason: to be bound and applied now. kPending because of kNeedsFetch: once `kind` is fetched.
  // Else it stays as it is, for the reason.
  Disposition disposition = Disposition::kPending;
  std::string reason;
  Owner owner = Owner::kNone;
  std::string_view kind = {};
};

// Where an event goes before anything stored is looked at. `livemode` is the deployment's (TEN-1).
Routed Route(const provider::Event& event, bool livemode);

// The version of a snapshot that was fetched: the answer's Date cut to whole seconds, as events are dated, and a mark
// made of the object's bytes: the same answer again is the same version.
Version FetchedVersion(absl::Time provider_date, std::string_view object_json);
bool IsFetched(const Version& version);

// The merge rule (WHK-5), one total order for every object and every source: the stage of life, then the provider's
// time, then the source, then the event's id. Whatever order versions arrive in, the greatest stays.
//
// The source decides within one second: an event wins over a fetched snapshot. If the event came before the fetch, the
// snapshot shows what the event did, and taking the event says the same; if it came after, only the event knows. So the
// event is never the wrong choice, while the snapshot would be whenever the object changed later in the second of the
// fetch. Should several events share that second, they tie among themselves as they would without the snapshot. Two
// snapshots of one second are settled by their marks, so that their order of arrival doesn't count.
struct Precedence {
  Stage stage = Stage::kUnknown;
  Version version;
};
// Whether the incoming version replaces the stored one. False for the same version.
bool Wins(const Precedence& incoming, const Precedence& stored);
// Two different versions of one kind of source that only event ids or marks tell apart: which is the truth, the
// provider knows.
bool IsTie(const Precedence& incoming, const Precedence& stored);

}  // namespace billmesh::webhook
