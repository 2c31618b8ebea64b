// The append-only audit log (AUD-1): one row for each state change, in the transaction that changes the state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"

namespace billmesh::audit {

// Actions of AUD-1. Names are contractual.
inline constexpr char kCheckoutStarted[] = "BILLING_CHECKOUT_STARTED";
inline constexpr char kCheckoutCreated[] = "BILLING_CHECKOUT_CREATED";
inline constexpr char kCheckoutRefused[] = "BILLING_CHECKOUT_REFUSED";
// Once for a purchase: the first move into a completed status.
inline constexpr char kCheckoutCompleted[] = "BILLING_CHECKOUT_COMPLETED";
// A completed checkout whose subscription came later.
inline constexpr char kCheckoutReconciled[] = "BILLING_CHECKOUT_RECONCILED";
inline constexpr char kPortalStarted[] = "BILLING_PORTAL_STARTED";
inline constexpr char kPortalAccessed[] = "BILLING_PORTAL_ACCESSED";
inline constexpr char kPortalRefused[] = "BILLING_PORTAL_REFUSED";
inline constexpr char kPaymentLinkStarted[] = "BILLING_PAYMENT_LINK_STARTED";
inline constexpr char kPaymentLinkCreated[] = "BILLING_PAYMENT_LINK_CREATED";
inline constexpr char kPaymentLinkRefused[] = "BILLING_PAYMENT_LINK_REFUSED";
inline constexpr char kWebhookProcessed[] = "BILLING_WEBHOOK_PROCESSED";
// An object fetched from the provider changed what is stored.
inline constexpr char kProjectionRefreshed[] = "BILLING_PROJECTION_REFRESHED";
inline constexpr char kEntitlementsUpdated[] = "BILLING_ENTITLEMENTS_UPDATED";
inline constexpr char kMembershipChanged[] = "BILLING_MEMBERSHIP_CHANGED";
inline constexpr char kEntityCreated[] = "BILLING_ENTITY_CREATED";
inline constexpr char kCustomerLinked[] = "BILLING_CUSTOMER_LINKED";
inline constexpr char kCatalogApplied[] = "BILLING_CATALOG_APPLIED";
inline constexpr char kCheckoutSessionOpened[] = "BILLING_CHECKOUT_SESSION_OPENED";
// A session might still live at the provider: it blocks until that is known, or can't be any more (IDM-10).
inline constexpr char kCheckoutHeld[] = "BILLING_CHECKOUT_HELD";
inline constexpr char kCheckoutSessionExpired[] = "BILLING_CHECKOUT_SESSION_EXPIRED";
inline constexpr char kCheckoutSessionAbandoned[] = "BILLING_CHECKOUT_SESSION_ABANDONED";
// A buyer's cancelling of a checkout; that the session ended, or was paid first, is told by its own rows.
inline constexpr char kCheckoutCancelStarted[] = "BILLING_CHECKOUT_CANCEL_STARTED";
inline constexpr char kCheckoutCancelEnded[] = "BILLING_CHECKOUT_CANCEL_ENDED";
inline constexpr char kCheckoutCancelRefused[] = "BILLING_CHECKOUT_CANCEL_REFUSED";
// Changes of a subscription: asked for, done at the provider (now, or for the period's end), refused (PRT-3, PRT-4).
inline constexpr char kSubscriptionChangeStarted[] = "BILLING_SUBSCRIPTION_CHANGE_STARTED";
inline constexpr char kSubscriptionCancelled[] = "BILLING_SUBSCRIPTION_CANCELLED";
inline constexpr char kSubscriptionResumed[] = "BILLING_SUBSCRIPTION_RESUMED";
inline constexpr char kAddOnSet[] = "BILLING_ADD_ON_SET";
inline constexpr char kSubscriptionChangeRefused[] = "BILLING_SUBSCRIPTION_CHANGE_REFUSED";
// An operator applied a stored event again, said whose it is, or put it away.
inline constexpr char kEventReplayed[] = "BILLING_WEBHOOK_EVENT_REPLAYED";
inline constexpr char kEventBound[] = "BILLING_WEBHOOK_EVENT_BOUND";
inline constexpr char kEventDismissed[] = "BILLING_WEBHOOK_EVENT_DISMISSED";
inline constexpr char kOutboxRequeued[] = "BILLING_OUTBOX_REQUEUED";
inline constexpr char kReconciliationRequested[] = "BILLING_RECONCILIATION_REQUESTED";

struct Record {
  std::string env;
  std::optional<std::string> entity_id;
  // service:<certificate name>, user:<subject>, provider:<name> or worker:<name>.
  std::string actor;
  std::string action;
  std::optional<std::string> operation_key;
  std::optional<std::string> provider_event_id;
  // A JSON object without secrets, personal data or provider payloads.
  std::string detail_json = "{}";
  std::optional<std::string> before_digest;
  std::optional<std::string> after_digest;
};

// Appends the records in one statement. Queued: done with the next statement that is run, or before the commit.
absl::Status Append(db::Tx& tx, IdGenerator& ids, const std::vector<Record>& records);

}  // namespace billmesh::audit
