// The ownership matrix (TEN-8) and row-level security (TEN-7), read back from PostgreSQL and attacked.
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/db/pool.h"
#include "common/status/status.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

using db::RunInTransaction;
using db::Scope;
using db::Tx;

constexpr const char* kDaemons[] = {"checkout", "webhook", "entitlements", "reconciler"};

// Which roles may write which table: architecture.md's table. `all` stands for both roles of all four daemons. What
// isn't listed may not be written by anybody. Letters: i insert, u update, d delete; (column) is a column grant.
const std::map<std::string, std::string> kWriters = {
    {"audit_log", "all:i"},
    {"change_feed", "all:i"},
    {"outbox_jobs", "all:i reconciler_system:u"},
    {"entities", "all:u(revision) checkout_system:i checkout_system:u"},
    {"entity_members", "checkout_system:d checkout_system:i checkout_system:u"},
    {"plans", "checkout_system:i checkout_system:u(active,is_default,name,updated_at)"},
    {"plan_prices", "checkout_system:i"},
    {"plan_entitlements", "checkout_system:i"},
    {"catalog_items", "checkout_system:i checkout_system:u(active,name,updated_at)"},
    {"catalog_item_grants", "checkout_system:i"},
    {"catalog_state", "checkout_system:i checkout_system:u"},
    {"entity_customers",
     "checkout_system:i checkout_system:u checkout_tenant:i checkout_tenant:u webhook_system:u(ended_at)"},
    {"request_idempotency", "checkout_system:i checkout_system:u checkout_tenant:i checkout_tenant:u"},
    {"provider_steps", "checkout_system:i checkout_system:u checkout_tenant:i checkout_tenant:u"},
    {"checkout_sessions",
     "checkout_system:i checkout_system:u checkout_tenant:i checkout_tenant:u webhook_system:i webhook_tenant:i "
     "webhook:u(ended_at,expires_at,late_paid_at,provider_customer_id,provider_event_id,provider_session_id,"
     "provider_subscription_id,provider_updated_at,status,updated_at,url)"},
    {"webhook_event_keys", "webhook_system:i"},
    {"webhook_events", "webhook_system:i webhook_system:u"},
    {"subscriptions", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"subscription_items",
     "webhook_system:d webhook_system:i webhook_system:u webhook_tenant:d webhook_tenant:i webhook_tenant:u"},
    {"invoices", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"customers", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"payments", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"payment_methods", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"refunds", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"disputes", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"credit_notes", "webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"remediations", "reconciler_system:u webhook_system:i webhook_system:u webhook_tenant:i webhook_tenant:u"},
    {"entitlements", "entitlements_system:i entitlements_system:u entitlements_tenant:i entitlements_tenant:u"},
    {"reconciliation_runs", "reconciler_system:i reconciler_system:u"},
};

// Expands the shorthand into "table role:letter[(columns)]" lines.
std::set<std::string> ExpectedGrants() {
  std::set<std::string> lines;
  for (const auto& [table, rules] : kWriters) {
    size_t start = 0;
    while (start < rules.size()) {
      size_t end = rules.find(' ', start);
      if (end == std::string::npos) end = rules.size();
      const std::string rule = rules.substr(start, end - start);
      start = end + 1;
      const std::string who = rule.substr(0, rule.find(':')), what = rule.substr(rule.find(':') + 1);
      for (const char* daemon : kDaemons) {
        for (const char* scope : {"tenant", "system"}) {
          const std::string role = absl::StrCat(daemon, "_", scope);
          if (who == "all" || who == role || who == daemon) lines.insert(absl::StrCat(table, " ", role, ":", what));
        }
      }
    }
  }
  return lines;
}

class OwnershipTest : public ::testing::Test {
 protected:
  std::set<std::string> Lines(const char* sql) {
    std::set<std::string> lines;
    const db::Result rows = database_.Admin(sql);
    for (int i = 0; i < rows.size(); ++i) lines.insert(rows[i].Text(0));
    return lines;
  }
  testing::TestDatabase database_;
};

TEST_F(OwnershipTest, GrantsAreTheOwnershipMatrix) {
  std::set<std::string> actual = Lines(R"sql(
    SELECT c.relname || ' ' || r.rolname || ':' || lower(left(a.privilege_type, 1))
    FROM pg_class c, aclexplode(c.relacl) a, pg_roles r
    WHERE c.relnamespace = 'billing'::regnamespace AND r.oid = a.grantee AND r.rolname ~ '_(tenant|system)$'
      AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER') AND c.relkind IN ('r', 'p')
    UNION ALL
    SELECT c.relname || ' ' || r.rolname || ':u(' || string_agg(t.attname, ',' ORDER BY t.attname) || ')'
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a, pg_roles r
    WHERE c.relnamespace = 'billing'::regnamespace AND r.oid = a.grantee AND r.rolname ~ '_(tenant|system)$'
      AND a.privilege_type = 'UPDATE'
    GROUP BY c.relname, r.rolname
  )sql");
  EXPECT_EQ(actual, ExpectedGrants());
}

TEST_F(OwnershipTest, LoginRolesOwnAndHoldNothing) {
  EXPECT_EQ(Lines(R"sql(
    SELECT r.rolname || ' holds ' || a.privilege_type || ' on ' || c.relname
    FROM pg_class c, aclexplode(c.relacl) a, pg_roles r
    WHERE c.relnamespace = 'billing'::regnamespace AND r.oid = a.grantee AND r.rolname LIKE 'billmesh\_%'
    UNION ALL
    SELECT r.rolname || ' owns ' || c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE r.rolname LIKE 'billmesh\_%'
    UNION ALL
    SELECT r.rolname || ' is powerful' FROM pg_roles r
    WHERE (r.rolname LIKE 'billmesh\_%' OR r.rolname ~ '_(tenant|system)$')
      AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR (r.rolname LIKE 'billmesh\_%' AND r.rolinherit))
    UNION ALL
    SELECT 'PUBLIC holds ' || a.privilege_type || ' on ' || c.relname
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = 'billing'::regnamespace AND a.grantee = 0 AND c.relname <> 'test_clock'
  )sql"),
            std::set<std::string>{});
}

TEST_F(OwnershipTest, EveryTableWithAnEntityHasForcedRowLevelSecurity) {
  EXPECT_EQ(Lines(R"sql(
    SELECT c.relname
    FROM pg_class c
    WHERE c.relnamespace = 'billing'::regnamespace AND c.relkind IN ('r', 'p')
      AND (c.relname = 'entities' OR EXISTS (SELECT 1 FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'entity_id'))
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
  )sql"),
            std::set<std::string>{});
}

// One row of a foreign entity in every tenant table; then each daemon's tenant role, bound to another entity, tries to
// read and write them.
TEST_F(OwnershipTest, NoTenantReadsOrWritesAnothersRows) {
  const std::string mine = database_.AddWorkspace("mine");
  const std::string other = database_.AddWorkspace("other", "user_other");
  database_.LinkCustomer(other, "cus_other");
  const std::map<std::string, std::string> rows = {
      {"change_feed", "(entity_id, revision) VALUES ('$E', 1)"},
      {"audit_log", "(id, env, entity_id, actor, action) VALUES (gen_random_uuid(), 'test', '$E', 'user:x', 'X')"},
      {"outbox_jobs",
       "(id, env, entity_id, job_type, dedupe_key, payload) VALUES (gen_random_uuid(), 'test', '$E', 'x', "
       "gen_random_uuid(), '{}')"},
      {"request_idempotency",
       "(id, env, entity_id, action, client_key, fingerprint, canonical_request, operation_key, actor, provider) "
       "VALUES "
       "(gen_random_uuid(), 'test', '$E', 'checkout', gen_random_uuid(), '', '', gen_random_uuid(), 'user:x', "
       "'stripe')"},
      {"provider_steps",
       "(id, entity_id, ordinal, purpose, provider, provider_idempotency_key, params, params_sha256, params_schema, "
       "provider_api_version, provider_account_id, client_name, client_version, replay_deadline_at) VALUES "
       "(gen_random_uuid(), "
       "'$E', 1, 'x', 'stripe', gen_random_uuid(), '{}', '', '', '', '', '', '', billing.now())"},
      {"checkout_sessions",
       "(id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at) VALUES "
       "(gen_random_uuid(), 'test', "
       "'$E', gen_random_uuid(), 'stripe', gen_random_uuid(), 'open', billing.now())"},
      {"entity_customers",
       "(id, entity_id, provider, provider_customer_id) VALUES (gen_random_uuid(), '$E', 'other', gen_random_uuid())"},
      {"subscriptions",
       "(id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status, "
       "provider_subscription_created_at, "
       "provider_updated_at, provider_event_id) VALUES ('00000000-0000-7000-8000-000000000001', 'test', '$E', "
       "'stripe', 'sub_1', "
       "'cus_other', 'active', billing.now(), billing.now(), 'evt')"},
      {"subscription_items",
       "(id, entity_id, subscription_id, provider, provider_item_id, provider_price_id) VALUES (gen_random_uuid(), "
       "'$E', "
       "'00000000-0000-7000-8000-000000000001', 'stripe', gen_random_uuid(), 'price')"},
      {"invoices",
       "(id, env, entity_id, provider, provider_invoice_id, provider_customer_id, status, currency, total_minor, "
       "amount_due_minor, "
       "amount_paid_minor, amount_remaining_minor, provider_created_at, provider_updated_at, provider_event_id) VALUES "
       "(gen_random_uuid(), 'test', '$E', 'stripe', 'in_parent', 'cus_other', 'paid', 'eur', 1, 1, 1, 0, "
       "billing.now(), "
       "billing.now(), 'evt')"},
      {"customers",
       "(id, env, entity_id, provider, provider_customer_id, provider_updated_at, provider_event_id) VALUES "
       "(gen_random_uuid(), 'test', '$E', 'stripe', 'cus_other', billing.now(), 'evt')"},
      {"payments",
       "(id, env, entity_id, provider, provider_payment_id, status, currency, amount_minor, provider_created_at) "
       "VALUES "
       "(gen_random_uuid(), 'test', '$E', 'stripe', 'pi_parent', 'pending', 'eur', 1, billing.now())"},
      {"refunds",
       "(id, env, entity_id, provider, provider_refund_id, provider_payment_id, status, currency, amount_minor, "
       "provider_created_at, provider_updated_at, provider_event_id) VALUES (gen_random_uuid(), 'test', '$E', "
       "'stripe', "
       "gen_random_uuid(), 'pi_parent', 'pending', 'eur', 1, billing.now(), billing.now(), 'evt')"},
      {"disputes",
       "(id, env, entity_id, provider, provider_dispute_id, provider_payment_id, status, currency, amount_minor, "
       "provider_created_at, provider_updated_at, provider_event_id) VALUES (gen_random_uuid(), 'test', '$E', "
       "'stripe', "
       "gen_random_uuid(), 'pi_parent', 'open', 'eur', 1, billing.now(), billing.now(), 'evt')"},
      {"credit_notes",
       "(id, env, entity_id, provider, provider_credit_note_id, provider_invoice_id, status, currency, total_minor, "
       "provider_created_at, provider_updated_at, provider_event_id) VALUES (gen_random_uuid(), 'test', '$E', "
       "'stripe', "
       "gen_random_uuid(), 'in_parent', 'issued', 'eur', 1, billing.now(), billing.now(), 'evt')"},
      {"payment_methods",
       "(id, env, entity_id, provider, provider_payment_method_id, provider_customer_id, type, provider_created_at, "
       "provider_updated_at, provider_event_id) VALUES (gen_random_uuid(), 'test', '$E', 'stripe', gen_random_uuid(), "
       "'cus_other', 'card', billing.now(), billing.now(), 'evt')"},
      {"remediations",
       "(id, env, entity_id, provider, kind, provider_subscription_id, algorithm) VALUES (gen_random_uuid(), 'test', "
       "'$E', "
       "'stripe', 'cancel_duplicate_subscription', gen_random_uuid(), 'dup_canonical_v1')"},
      {"webhook_events",
       "(id, received_at, env, provider, provider_event_id, type, livemode, provider_created_at, entity_id, status) "
       "VALUES "
       "(gen_random_uuid(), billing.now(), 'test', 'stripe', 'evt', 'x', false, billing.now(), '$E', 'ignored')"},
      {"entitlements",
       "(entity_id, env, revision, catalog_revision, status, segments) VALUES ('$E', 'test', 1, 1, 'free', '[]')"},
  };
  std::vector<std::string> order = {
      "change_feed",        "audit_log",         "outbox_jobs",      "request_idempotency",
      "provider_steps",     "checkout_sessions", "entity_customers", "subscriptions",
      "subscription_items", "invoices",          "customers",        "payments",
      "payment_methods",    "refunds",           "disputes",         "credit_notes",
      "remediations",       "webhook_events",    "entitlements"};
  ASSERT_EQ(order.size(), rows.size());
  const auto insert = [&](const std::string& table) {
    std::string sql = absl::StrCat("INSERT INTO billing.", table, " ", rows.at(table));
    for (size_t at; (at = sql.find("$E")) != std::string::npos;) sql.replace(at, 2, other);
    return sql;
  };
  for (const std::string& table : order) database_.AdminScript(insert(table));
  order.push_back("entities");
  order.push_back("entity_members");

  int attempts = 0;
  for (const char* daemon : kDaemons) {
    db::Pool& pool = database_.Pool(daemon);
    const auto run = [&](const std::string& sql) {
      ++attempts;
      return RunInTransaction(pool, Scope::Tenant(mine), [&](Tx& tx) -> absl::StatusOr<int64_t> {
        ASSIGN_OR_RETURN(const auto result, tx.Exec(sql.c_str()));
        return result.affected();
      });
    };
    for (const std::string& table : order) {
      const std::string column = table == "entities" ? "id" : "entity_id";
      const auto read = run(absl::StrCat("SELECT 1 FROM billing.", table, " WHERE ", column, " = '", other, "'"));
      EXPECT_TRUE(!read.ok() || *read == 0) << daemon << " reads " << table;
      const std::string touched = table == "entities" ? "revision" : column;
      const auto update = run(absl::StrCat("UPDATE billing.", table, " SET ", touched, " = ", touched, " WHERE ",
                                           column, " = '", other, "'"));
      EXPECT_TRUE(!update.ok() || *update == 0) << daemon << " updates " << table;
      const auto remove = run(absl::StrCat("DELETE FROM billing.", table, " WHERE ", column, " = '", other, "'"));
      EXPECT_TRUE(!remove.ok() || *remove == 0) << daemon << " deletes from " << table;
      if (rows.count(table) != 0) {
        EXPECT_FALSE(run(insert(table)).ok()) << daemon << " inserts into " << table;
      }
    }
  }
  EXPECT_EQ(attempts, 4 * (21 * 3 + 19));
}

// Foreign keys see through row-level security: those between an entity's rows carry the entity (WHK-11, invariant 10).
TEST_F(OwnershipTest, NoRowLinksToAnothersRow) {
  const std::string mine = database_.AddWorkspace("mine"), other = database_.AddWorkspace("other");
  database_.LinkCustomer(mine, "cus_mine");
  database_.LinkCustomer(other, "cus_other");
  const std::string operation = database_.ids().NewId(), subscription = database_.ids().NewId();
  database_.Admin(R"sql(
    INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request, operation_key,
                                             actor, provider)
    VALUES ($1, 'test', $2, 'checkout', 'k', '', '', 'op', 'user:x', 'stripe')
  )sql",
                  {operation, other});
  database_.Admin(R"sql(
    INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                       provider_subscription_created_at, provider_updated_at, provider_event_id)
    VALUES ($1, 'test', $2, 'stripe', 'sub_other', 'cus_other', 'active', billing.now(), billing.now(), 'evt')
  )sql",
                  {subscription, other});
  const auto refused = [&](const char* daemon, const char* sql, const std::string& id) {
    const absl::Status status = database_.Pool(daemon).Run(Scope::Tenant(mine), [&](Tx& tx) {
      return tx.Exec(sql, {mine, id}).status();
    });
    return ReasonOf(status) == Reason::FAILURE_REASON_CONSTRAINT_VIOLATION ? MetadataOf(status).at("constraint")
                                                                           : "accepted";
  };
  EXPECT_EQ(refused("checkout", R"sql(
    INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_id, operation_key, provider, provider_session_id, status,
                                           expires_at)
    VALUES (gen_random_uuid(), 'test', $1, $2, 'mine', 'stripe', 'cs', 'open', billing.now())
  )sql",
                    operation),
            "checkout_sessions_operation_fkey");
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.remediations (id, env, entity_id, provider, kind, provider_subscription_id, canonical_subscription_id, algorithm)
    VALUES (gen_random_uuid(), 'test', $1, 'stripe', 'cancel_duplicate_subscription', 'sub', $2, 'dup_canonical_v1')
  )sql",
                    subscription),
            "remediations_canonical_fkey");
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id)
    VALUES (gen_random_uuid(), $1, $2, 'stripe', 'si', 'price')
  )sql",
                    subscription),
            "subscription_items_subscription_fkey");
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                       provider_subscription_created_at, provider_updated_at, provider_event_id)
    SELECT gen_random_uuid(), 'test', $1, 'stripe', $2::text, 'cus_other', 'active', billing.now(), billing.now(), 'evt'
  )sql",
                    subscription),
            "subscriptions_customer_fkey");
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.customers (id, env, entity_id, provider, provider_customer_id, provider_updated_at, provider_event_id)
    SELECT $2, 'test', $1, 'stripe', 'cus_other', billing.now(), 'evt'
  )sql",
                    subscription),
            "customers_link_fkey");
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.payment_methods (id, env, entity_id, provider, provider_payment_method_id, provider_customer_id, type,
                                         provider_created_at, provider_updated_at, provider_event_id)
    SELECT $2, 'test', $1, 'stripe', 'pm', 'cus_other', 'card', billing.now(), billing.now(), 'evt'
  )sql",
                    subscription),
            "payment_methods_customer_fkey");
  database_.Admin(R"sql(
    INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, provider_customer_id, status, currency, total_minor,
                                  amount_due_minor, amount_paid_minor, amount_remaining_minor, provider_created_at,
                                  provider_updated_at, provider_event_id)
    VALUES ($1, 'test', $2, 'stripe', 'in_other', 'cus_other', 'paid', 'eur', 1, 1, 1, 0, billing.now(), billing.now(), 'evt')
  )sql",
                  {subscription, other});
  const char* const kInvoice = R"sql(
    INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, provider_customer_id,
                                  provider_subscription_id, status, currency, total_minor, amount_due_minor, amount_paid_minor,
                                  amount_remaining_minor, provider_created_at, provider_updated_at, provider_event_id)
    SELECT gen_random_uuid(), 'test', $1, 'stripe', 'in_' || $2::text, v.customer, v.subscription, 'paid', 'eur', 1, 1, 1, 0,
           billing.now(), billing.now(), 'evt'
    FROM (VALUES (%s)) AS v (customer, subscription)
  )sql";
  const auto invoice = [&](const char* links) {
    return refused("webhook", absl::StrReplaceAll(kInvoice, {{"%s", links}}).c_str(), subscription);
  };
  EXPECT_EQ(invoice("'cus_other', NULL"), "invoices_customer_fkey");
  EXPECT_EQ(invoice("'cus_of_nobody', NULL"), "invoices_customer_fkey");
  EXPECT_EQ(invoice("NULL::text, 'sub_other'"), "invoices_customer_check");
  EXPECT_EQ(invoice("NULL::text, NULL::text"), "accepted") << "a one-off, paid by whom it may be";
  EXPECT_EQ(refused("webhook", R"sql(
    INSERT INTO billing.payments (id, env, entity_id, provider, provider_payment_id, provider_customer_id, status, currency,
                                  amount_minor, provider_created_at)
    SELECT gen_random_uuid(), 'test', $1::uuid, 'stripe', 'pi', 'cus_other', 'pending', 'eur', 1, billing.now()
    WHERE $2::text IS NOT NULL
  )sql",
                    subscription),
            "payments_customer_fkey");
  // What belongs to a payment or an invoice stays with their entity.
  database_.Admin(R"sql(
    INSERT INTO billing.payments (id, env, entity_id, provider, provider_payment_id, status, currency, amount_minor,
                                  provider_created_at)
    SELECT gen_random_uuid(), 'test', s.entity_id, 'stripe', 'pi_other', 'pending', 'eur', 1, billing.now()
    FROM billing.subscriptions s WHERE s.provider_subscription_id = 'sub_other'
  )sql");
  const char* const kChild = R"sql(
    INSERT INTO billing.%t (id, env, entity_id, provider, provider_%k_id, provider_payment_id, status, currency, amount_minor,
                            provider_created_at, provider_updated_at, provider_event_id)
    SELECT gen_random_uuid(), 'test', $1::uuid, 'stripe', 'x', 'pi_other', '%s', 'eur', 1, billing.now(), billing.now(), 'evt'
    WHERE $2::text IS NOT NULL
  )sql";
  const auto child = [&](const char* table, const char* kind, const char* status) {
    return refused("webhook", absl::StrReplaceAll(kChild, {{"%t", table}, {"%k", kind}, {"%s", status}}).c_str(),
                   subscription);
  };
  EXPECT_EQ(child("refunds", "refund", "pending"), "refunds_payment_fkey");
  EXPECT_EQ(child("disputes", "dispute", "open"), "disputes_payment_fkey");
}

TEST_F(OwnershipTest, DaemonsCannotTakeEachOthersRoles) {
  const absl::Status status = database_.Pool("entitlements").Run(Scope::System("test"), [](Tx& tx) {
    return tx.Exec("SET LOCAL ROLE checkout_system").status();
  });
  EXPECT_FALSE(status.ok());
}

TEST_F(OwnershipTest, AuditRowsCannotBeChangedByAnyRole) {
  database_.Admin(
      "INSERT INTO billing.audit_log (id, env, actor, action) VALUES (gen_random_uuid(), 'test', 'x', 'X')");
  for (const char* daemon : kDaemons) {
    for (const char* sql :
         {"UPDATE billing.audit_log SET actor = 'y'", "DELETE FROM billing.audit_log", "TRUNCATE billing.audit_log"}) {
      EXPECT_FALSE(
          database_.Pool(daemon).Run(Scope::System("test"), [&](Tx& tx) { return tx.Exec(sql).status(); }).ok())
          << daemon << ": " << sql;
    }
  }
}

// CHK-3: the database refuses every transition that isn't in the matrix.
TEST_F(OwnershipTest, CheckoutSessionTransitionsOutsideTheMatrixAreRefused) {
  const std::vector<std::string> states = {
      "open",     "completed_pending_subscription", "recovery_verification_pending", "completed_reconciled", "expired",
      "abandoned"};
  const std::set<std::string> ended = {"completed_reconciled", "expired", "abandoned"};
  const auto allowed = Lines("SELECT t.from_status || ' ' || t.to_status FROM billing.checkout_session_transitions t");
  EXPECT_EQ(allowed.size(), 10u);
  const std::string entity = database_.AddWorkspace("acme");
  for (const std::string& from : states) {
    for (const std::string& to : states) {
      if (from == to) continue;
      const std::string id = database_.ids().NewId();
      database_.Admin(R"sql(
        INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_key, provider, provider_session_id, status, expires_at,
                                               ended_at)
        VALUES ($1::uuid, 'test', $2, $1::text, 'stripe', $1::text, $3, billing.now(), CASE WHEN $4 THEN billing.now() END)
      )sql",
                      {id, entity, from, ended.count(from) != 0});
      const absl::Status moved = database_.Pool("checkout").Run(Scope::Tenant(entity), [&](Tx& tx) {
        return tx
            .Exec(R"sql(
          UPDATE billing.checkout_sessions SET status = $2, ended_at = CASE WHEN $3 THEN billing.now() END WHERE id = $1
        )sql",
                  {id, to, ended.count(to) != 0})
            .status();
      });
      EXPECT_EQ(moved.ok(), allowed.count(from + " " + to) != 0) << from << " → " << to << ": " << moved;
      database_.Admin("DELETE FROM billing.checkout_sessions WHERE id = $1", {id});
    }
  }
}

// A plan is kept for as long as the session, and tables grow meanwhile.
TEST_F(OwnershipTest, EachDaemonsPlansAreGenericAndGoByIndexes) {
  for (const char* daemon : kDaemons) {
    const auto settings =
        RunInTransaction(database_.Pool(daemon), Scope::System("test"), [](Tx& tx) -> absl::StatusOr<std::string> {
          ASSIGN_OR_RETURN(const auto rows, tx.Exec(R"sql(
            SELECT string_agg(s.name || ' ' || s.setting, ', ' ORDER BY s.name) FROM pg_settings s
            WHERE s.name IN ('plan_cache_mode', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit')
          )sql"));
          return rows[0].Text(0);
        });
    ASSERT_TRUE(settings.ok()) << settings.status();
    EXPECT_EQ(*settings,
              "enable_hashjoin off, enable_mergejoin off, enable_seqscan off, jit off, plan_cache_mode "
              "force_generic_plan")
        << daemon;
  }
}

}  // namespace
}  // namespace billmesh
