#include "deploy/billctl/invariant_store.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::billctl {
namespace {

using enum Invariant::When;

// --- One purchase (reliability 1 to 4; IDM, CHK) ---

constexpr Invariant kOnePendingCheckout = {"one-pending-checkout",
                                           "an entity has at most one pending checkout operation", kAlways, R"sql(
    SELECT 'entity ' || o.entity_id || ' has ' || count(*) || ' pending checkouts' AS violation
    FROM billing.request_idempotency o
    WHERE o.action = 'checkout' AND o.status = 'pending'
    GROUP BY o.entity_id HAVING count(*) > 1
  )sql"};

constexpr Invariant kOneBlockingSession = {"one-blocking-session",
                                           "an entity has at most one blocking checkout session", kAlways, R"sql(
    SELECT 'entity ' || s.entity_id || ' has ' || count(*) || ' blocking sessions' AS violation
    FROM billing.checkout_sessions s
    WHERE s.mode = 'subscription'
      AND s.status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending')
    GROUP BY s.entity_id HAVING count(*) > 1
  )sql"};

constexpr Invariant kOneSubscriptionAnOperation = {"one-subscription-an-operation",
                                                   "an operation key made at most one subscription", kAlways, R"sql(
    SELECT 'operation key ' || s.operation_key || ' has ' || count(*) || ' subscriptions' AS violation
    FROM billing.subscriptions s
    WHERE s.operation_key IS NOT NULL
    GROUP BY s.operation_key HAVING count(*) > 1
  )sql"};

constexpr Invariant kOneObjectAStep = {"one-object-a-step",
                                       "an operation made at most one provider object of each purpose", kAlways, R"sql(
    SELECT 'operation ' || p.operation_id || ' made ' || count(DISTINCT p.provider_object_id) || ' by ' || p.purpose
      AS violation
    FROM billing.provider_steps p
    WHERE p.operation_id IS NOT NULL AND p.provider_object_id IS NOT NULL
    GROUP BY p.operation_id, p.purpose HAVING count(DISTINCT p.provider_object_id) > 1
  )sql"};

constexpr Invariant kOneLiveCustomer = {"one-live-customer",
                                        "an entity has at most one live customer link at a provider", kAlways, R"sql(
    SELECT 'entity ' || c.entity_id || ' has ' || count(*) || ' live customers' AS violation
    FROM billing.entity_customers c
    WHERE c.ended_at IS NULL
    GROUP BY c.entity_id, c.provider HAVING count(*) > 1
  )sql"};

constexpr Invariant kFrozenUnchanged = {"frozen-requests-unchanged", "a frozen request matches its stored hash",
                                        kAlways, R"sql(
    SELECT 'step ' || p.id || ' doesn''t match its hash' AS violation
    FROM billing.provider_steps p
    WHERE p.params_sha256 <> encode(sha256(convert_to(p.params, 'UTF8')), 'hex')
  )sql"};

constexpr Invariant kReplayDeadline = {"replay-deadline-in-time",
                                       "no key may be sent again more than 23 h after it was frozen", kAlways, R"sql(
    SELECT 'step ' || p.id || ' may be replayed until ' || p.replay_deadline_at AS violation
    FROM billing.provider_steps p
    WHERE p.replay_deadline_at > p.frozen_at + interval '23 hours'
  )sql"};

constexpr Invariant kExpiryBound = {
    "session-expiry-bounded", "a frozen checkout session has its stored expiry bound, at most 24 h after freezing",
    kAlways,
    R"sql(
    SELECT 'operation ' || o.id || ' has bound '
           || coalesce(o.provider_checkout_session_expires_at_upper_bound::text, 'none') AS violation
    FROM billing.request_idempotency o
    JOIN billing.provider_steps p ON p.operation_id = o.id AND p.purpose = 'create_checkout_session'
    WHERE o.provider_checkout_session_expires_at_upper_bound IS NULL
       OR o.provider_checkout_session_expires_at_upper_bound > p.frozen_at + interval '24 hours'
  )sql"};

constexpr Invariant kSuccessHasSession = {"success-has-its-session", "a succeeded checkout has its session row",
                                          kAlways, R"sql(
    SELECT 'operation ' || o.id || ' succeeded without a session' AS violation
    FROM billing.request_idempotency o
    WHERE o.action = 'checkout' AND o.status = 'succeeded'
      AND NOT EXISTS (SELECT 1 FROM billing.checkout_sessions s WHERE s.operation_key = o.operation_key)
  )sql"};

constexpr Invariant kReconciledHasSubscription = {
    "reconciled-has-its-subscription",
    "a session is completed_reconciled when its subscription is projected, and not before", kAlways, R"sql(
    SELECT 'session ' || s.id || ' is ' || s.status || (CASE WHEN found.yes THEN ' although its' ELSE ' without a' END)
           || ' subscription is projected' AS violation
    FROM billing.checkout_sessions s
    CROSS JOIN LATERAL (SELECT EXISTS (
      SELECT 1 FROM billing.subscriptions b
      WHERE b.entity_id = s.entity_id AND b.provider = s.provider
        AND b.provider_subscription_id = s.provider_subscription_id) AS yes) found
    WHERE s.mode = 'subscription'
      AND (s.status = 'completed_reconciled' AND NOT found.yes
           OR s.status = 'completed_pending_subscription' AND found.yes)
  )sql"};

// --- Events (reliability 5, 6) ---

constexpr Invariant kEventsStored = {
    "events-stored-once", "each dedupe key has exactly one stored event, and each event its key", kAlways, R"sql(
    SELECT 'event ' || coalesce(k.provider_event_id, e.provider_event_id) || ' has '
           || (CASE WHEN k.event_id IS NULL THEN 'no key' ELSE count(e.id) || ' rows' END) AS violation
    FROM billing.webhook_event_keys k
    FULL JOIN billing.webhook_events e ON e.id = k.event_id
    GROUP BY k.event_id, k.provider_event_id, e.provider_event_id
    HAVING k.event_id IS NULL OR count(e.id) <> 1
  )sql"};

constexpr Invariant kEventsAuditedOnce = {
    "events-applied-once", "an applied event has exactly one BILLING_WEBHOOK_PROCESSED row, any other event none",
    kAlways,
    R"sql(
    SELECT 'event ' || e.provider_event_id || ' (' || e.status || ') has ' || count(a.id) || ' audit rows' AS violation
    FROM billing.webhook_events e
    LEFT JOIN billing.audit_log a ON a.provider_event_id = e.provider_event_id
      AND a.action = 'BILLING_WEBHOOK_PROCESSED' AND a.env = e.env
    GROUP BY e.id, e.provider_event_id, e.status
    HAVING count(a.id) <> (CASE WHEN e.status = 'processed' THEN 1 ELSE 0 END)
  )sql"};

// --- Subscriptions (WHK-7, WHK-11) ---

constexpr Invariant kOneCurrent = {"one-current-subscription",
                                   "an entity has at most one current subscription, and it isn't over", kAlways, R"sql(
    SELECT 'entity ' || s.entity_id || ' has ' || count(*) || ' current subscriptions, '
           || count(*) FILTER (WHERE s.status IN ('canceled', 'incomplete_expired')) || ' of them over' AS violation
    FROM billing.subscriptions s
    WHERE s.is_current
    GROUP BY s.entity_id
    HAVING count(*) > 1 OR count(*) FILTER (WHERE s.status IN ('canceled', 'incomplete_expired')) > 0
  )sql"};

constexpr Invariant kLiveIsCurrent = {"live-subscription-is-current",
                                      "an entity with a live subscription has a current one", kAlways, R"sql(
    SELECT 'entity ' || s.entity_id || ' has live subscriptions and none is current' AS violation
    FROM billing.subscriptions s
    WHERE s.status NOT IN ('canceled', 'incomplete_expired')
    GROUP BY s.entity_id HAVING NOT bool_or(s.is_current)
  )sql"};

// --- Isolation (reliability 10; TEN) ---

constexpr Invariant kOneEntity = {"rows-of-one-entity", "no row links objects of two entities", kAlways, R"sql(
    SELECT 'session ' || s.id || ' and its operation are of two entities' AS violation
    FROM billing.checkout_sessions s
    JOIN billing.request_idempotency o ON o.operation_key = s.operation_key
    WHERE o.entity_id <> s.entity_id
    UNION ALL
    SELECT 'session ' || s.id || ' and its customer are of two entities'
    FROM billing.checkout_sessions s
    JOIN billing.entity_customers c ON c.provider = s.provider AND c.provider_customer_id = s.provider_customer_id
    WHERE c.entity_id <> s.entity_id
    UNION ALL
    SELECT 'session ' || s.id || ' and its subscription are of two entities'
    FROM billing.checkout_sessions s
    JOIN billing.subscriptions b ON b.provider = s.provider AND b.provider_subscription_id = s.provider_subscription_id
    WHERE b.entity_id <> s.entity_id
    UNION ALL
    SELECT 'subscription ' || b.id || ' and its operation are of two entities'
    FROM billing.subscriptions b
    JOIN billing.request_idempotency o ON o.operation_key = b.operation_key
    WHERE o.entity_id <> b.entity_id
    UNION ALL
    SELECT 'invoice ' || v.id || ' and its subscription are of two entities'
    FROM billing.invoices v
    JOIN billing.subscriptions b ON b.provider = v.provider AND b.provider_subscription_id = v.provider_subscription_id
    WHERE b.entity_id <> v.entity_id
    UNION ALL
    SELECT 'event ' || e.provider_event_id || ' and its customer are of two entities'
    FROM billing.webhook_events e
    JOIN billing.entity_customers c ON c.provider = e.provider AND c.provider_customer_id = e.provider_customer_id
    WHERE c.entity_id <> e.entity_id AND e.status = 'processed'
  )sql"};

constexpr Invariant kOneEnv = {"rows-of-one-env", "a row is of its entity's billing environment", kAlways, R"sql(
    SELECT v.what || ' ' || v.id || ' is of ' || v.env || ', its entity of ' || n.env AS violation
    FROM (
      SELECT 'operation' AS what, o.id, o.env, o.entity_id FROM billing.request_idempotency o
      UNION ALL SELECT 'session', s.id, s.env, s.entity_id FROM billing.checkout_sessions s
      UNION ALL SELECT 'subscription', b.id, b.env, b.entity_id FROM billing.subscriptions b
      UNION ALL SELECT 'invoice', i.id, i.env, i.entity_id FROM billing.invoices i
      UNION ALL SELECT 'event', e.id, e.env, e.entity_id FROM billing.webhook_events e
      UNION ALL SELECT 'entitlements', t.entity_id, t.env, t.entity_id FROM billing.entitlements t
      UNION ALL SELECT 'outbox job', j.id, j.env, j.entity_id FROM billing.outbox_jobs j
      UNION ALL SELECT 'audit row', a.id, a.env, a.entity_id FROM billing.audit_log a
    ) v
    JOIN billing.entities n ON n.id = v.entity_id
    WHERE n.env <> v.env
  )sql"};

// --- Change feed and entitlements (reliability 9) ---

constexpr Invariant kFeedComplete = {"changes-in-the-feed", "an entity's present revision stands in the change feed",
                                     kAlways, R"sql(
    SELECT 'entity ' || n.id || ' has revision ' || n.revision || ', the feed ' || coalesce(f.revision::text, 'none')
      AS violation
    FROM billing.entities n
    LEFT JOIN (SELECT c.entity_id, max(c.revision) AS revision FROM billing.change_feed c GROUP BY c.entity_id) f
      ON f.entity_id = n.id
    WHERE n.revision > 1 AND f.revision IS DISTINCT FROM n.revision
  )sql"};

constexpr Invariant kEntitlementsNotAhead = {
    "entitlements-not-ahead", "stored entitlements are of no later revision than their entity and the catalog", kAlways,
    R"sql(
    SELECT 'entity ' || t.entity_id || ' has entitlements of revision ' || t.revision || '/' || t.catalog_revision AS violation
    FROM billing.entitlements t
    JOIN billing.entities n ON n.id = t.entity_id
    CROSS JOIN billing.catalog_state c
    WHERE t.revision > n.revision OR t.catalog_revision > c.revision
  )sql"};

// --- Audit (reliability 12; AUD-1) ---

constexpr Invariant kEntitiesAudited = {"entities-audited", "each entity has exactly one BILLING_ENTITY_CREATED row",
                                        kAlways, R"sql(
    SELECT 'entity ' || n.id || ' has ' || count(a.id) || ' rows' AS violation
    FROM billing.entities n
    LEFT JOIN billing.audit_log a ON a.entity_id = n.id AND a.action = 'BILLING_ENTITY_CREATED'
    GROUP BY n.id HAVING count(a.id) <> 1
  )sql"};

constexpr Invariant kCheckoutsAudited = {
    "checkouts-audited", "each succeeded checkout has exactly one BILLING_CHECKOUT_CREATED row", kAlways, R"sql(
    SELECT 'operation ' || o.id || ' has ' || count(a.id) || ' rows' AS violation
    FROM billing.request_idempotency o
    LEFT JOIN billing.audit_log a ON a.entity_id = o.entity_id AND a.operation_key = o.operation_key
      AND a.action = 'BILLING_CHECKOUT_CREATED'
    WHERE o.action = 'checkout' AND o.status = 'succeeded'
    GROUP BY o.id HAVING count(a.id) <> 1
  )sql"};

constexpr Invariant kCustomersAudited = {"customers-audited", "each customer link has its BILLING_CUSTOMER_LINKED row",
                                         kAlways, R"sql(
    SELECT 'entity ' || c.entity_id || ' has ' || count(*) || ' customers and '
           || (SELECT count(*) FROM billing.audit_log a
               WHERE a.entity_id = c.entity_id AND a.action = 'BILLING_CUSTOMER_LINKED') || ' rows' AS violation
    FROM billing.entity_customers c
    GROUP BY c.entity_id
    HAVING count(*) <> (SELECT count(*) FROM billing.audit_log a
                        WHERE a.entity_id = c.entity_id AND a.action = 'BILLING_CUSTOMER_LINKED')
  )sql"};

constexpr Invariant kCatalogAudited = {
    "catalog-audited", "each revision of the catalog has its BILLING_CATALOG_APPLIED row", kAlways, R"sql(
    SELECT 'the catalog has revision ' || c.revision || ' and '
           || (SELECT count(*) FROM billing.audit_log a WHERE a.action = 'BILLING_CATALOG_APPLIED') || ' rows' AS violation
    FROM billing.catalog_state c
    WHERE c.revision - 1 <> (SELECT count(*) FROM billing.audit_log a WHERE a.action = 'BILLING_CATALOG_APPLIED')
  )sql"};

// --- Nothing stays (reliability 15) ---

constexpr Invariant kNoOverdueOperation = {"no-overdue-operation", "no pending operation has outlived its lease",
                                           kSettled, R"sql(
    SELECT 'operation ' || o.id || ' (' || o.action || ') is pending since ' || o.pending_since AS violation
    FROM billing.request_idempotency o
    WHERE o.status = 'pending' AND (o.lease_until IS NULL OR o.lease_until < billing.now())
  )sql"};

constexpr Invariant kNoOverdueJob = {"no-overdue-job", "no outbox job is due, or held past its lease", kSettled, R"sql(
    SELECT 'job ' || j.id || ' (' || j.job_type || ') is ' || j.status || ' since '
           || coalesce(j.lease_until, j.run_after) AS violation
    FROM billing.outbox_jobs j
    WHERE (j.status = 'ready' AND j.run_after < billing.now())
       OR (j.status = 'leased' AND j.lease_until < billing.now())
  )sql"};

constexpr Invariant kNoOverdueSession = {
    "no-overdue-session", "no session is open past its expiry, and no completed one waits for its subscription",
    kSettled,
    R"sql(
    SELECT 'session ' || s.id || ' is ' || s.status || ', expiry ' || s.expires_at AS violation
    FROM billing.checkout_sessions s
    WHERE (s.status IN ('open', 'recovery_verification_pending') AND s.expires_at + interval '90 seconds' < billing.now())
       OR s.status = 'completed_pending_subscription'
  )sql"};

constexpr Invariant kNoOverdueEvent = {"no-overdue-event", "no event is pending or failed", kSettled, R"sql(
    SELECT 'event ' || e.provider_event_id || ' (' || e.type || ') is ' || e.status || ': ' || coalesce(e.status_reason, '')
      AS violation
    FROM billing.webhook_events e
    WHERE e.status IN ('pending', 'failed')
  )sql"};

constexpr Invariant kEntitlementsCaughtUp = {"entitlements-caught-up",
                                             "stored entitlements are of their entity's revision and of the catalog's",
                                             kSettled, R"sql(
    SELECT 'entity ' || t.entity_id || ' has entitlements of revision ' || t.revision || '/' || t.catalog_revision
           || ', now is ' || n.revision || '/' || c.revision AS violation
    FROM billing.entitlements t
    JOIN billing.entities n ON n.id = t.entity_id
    CROSS JOIN billing.catalog_state c
    WHERE t.revision <> n.revision OR t.catalog_revision <> c.revision
  )sql"};

}  // namespace

const std::vector<Invariant>& Invariants() {
  static const auto* const all = new std::vector<Invariant>{
      kOnePendingCheckout,
      kOneBlockingSession,
      kOneSubscriptionAnOperation,
      kOneObjectAStep,
      kOneLiveCustomer,
      kFrozenUnchanged,
      kReplayDeadline,
      kExpiryBound,
      kSuccessHasSession,
      kReconciledHasSubscription,
      kEventsStored,
      kEventsAuditedOnce,
      kOneCurrent,
      kLiveIsCurrent,
      kOneEntity,
      kOneEnv,
      kFeedComplete,
      kEntitlementsNotAhead,
      kEntitiesAudited,
      kCheckoutsAudited,
      kCustomersAudited,
      kCatalogAudited,
      kNoOverdueOperation,
      kNoOverdueJob,
      kNoOverdueSession,
      kNoOverdueEvent,
      kEntitlementsCaughtUp,
  };
  return *all;
}

absl::Status PrepareToReadAll(db::Tx& tx, absl::Duration statement_timeout) {
  return tx
      .Exec(R"sql(
    SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
           set_config('enable_mergejoin', 'on', true), set_config('statement_timeout', $1, true)
  )sql",
            {absl::StrCat(absl::ToInt64Milliseconds(statement_timeout))})
      .status();
}

absl::StatusOr<InvariantResult> CheckInvariant(db::Tx& tx, const Invariant& invariant) {
  const std::string sql = absl::StrCat("WITH found AS (", invariant.sql, R"sql(), few AS (
      SELECT f.violation FROM found f ORDER BY f.violation LIMIT $1
    )
    SELECT (SELECT count(*) FROM found), f.violation FROM (SELECT 1) one LEFT JOIN few f ON true ORDER BY f.violation)sql");
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(sql.c_str(), {kMaxSamples}));
  InvariantResult result;
  result.violations = rows[0].Int(0);
  for (int n = 0; n < rows.size() && !rows[n].IsNull(1); ++n) result.samples.push_back(rows[n].Text(1));
  return result;
}

}  // namespace billmesh::billctl
