// What an entity has, as its members see it: the snapshot, and lists by pages.
#include <algorithm>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "tests/integration/account_fixture.h"

namespace billmesh::checkout {
namespace {

// 2027-01-01 00:00:00 UTC; the rows of these tests are made at the provider some seconds after.
constexpr int64_t kEpoch = 1'798'761'600;

class AccountReadTest : public AccountFixture {
 protected:
  AccountReadTest() {
    acme_ = Ensure(Workspace("ws-1", "acme", "ann"));
    other_ = Ensure(Workspace("ws-2", "other", "bob"));
    database_.LinkCustomer(acme_, "cus_" + acme_);
    database_.LinkCustomer(other_, "cus_" + other_);
  }

  // Returns the invoice's id.
  std::string AddInvoice(const std::string& entity_id, const std::string& name, int64_t second,
                         const std::string& status = "paid") {
    const std::string id = database_.ids().NewId();
    database_.Admin(R"sql(
      INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, provider_customer_id, number, status, currency,
                                    total_minor, amount_due_minor, amount_paid_minor, amount_remaining_minor, billing_reason,
                                    period_start, period_end, hosted_invoice_url, provider_created_at, provider_updated_at,
                                    provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, $5, $6, 'eur', 2900, 2900, 2000, 900, 'subscription_cycle', to_timestamp($7),
              to_timestamp($7) + interval '31 days', 'https://pay.example/i', to_timestamp($7), billing.now(), 'evt_1')
    )sql",
                    {id, entity_id, "in_" + name, "cus_" + entity_id, name, status, kEpoch + second});
    return id;
  }
  std::string AddPayment(const std::string& entity_id, const std::string& name, int64_t second,
                         const std::string& invoice_id = "") {
    const std::string id = database_.ids().NewId();
    database_.Admin(R"sql(
      INSERT INTO billing.payments (id, env, entity_id, provider, provider_payment_id, provider_customer_id, provider_invoice_id,
                                    status, currency, amount_minor, amount_refunded_minor, provider_created_at,
                                    provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, (SELECT i.provider_invoice_id FROM billing.invoices i WHERE i.id = nullif($5, '')::uuid),
              'succeeded', 'eur', 2900, 400, to_timestamp($6), billing.now(), 'evt_1')
    )sql",
                    {id, entity_id, "pi_" + name, "cus_" + entity_id, invoice_id, kEpoch + second});
    database_.Admin(R"sql(
      INSERT INTO billing.disputes (id, env, entity_id, provider, provider_dispute_id, provider_payment_id, status, currency,
                                    amount_minor, provider_created_at, provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, 'open', 'eur', 2900, to_timestamp($5), billing.now(), 'evt_1')
    )sql",
                    {database_.ids().NewId(), entity_id, "dp_" + name, "pi_" + name, kEpoch + second});
    return id;
  }
  std::string AddMethod(const std::string& entity_id, const std::string& name, int64_t second, bool detached = false) {
    const std::string id = database_.ids().NewId();
    database_.Admin(R"sql(
      INSERT INTO billing.payment_methods (id, env, entity_id, provider, provider_payment_method_id, provider_customer_id, type, brand,
                                           last4, exp_month, exp_year, wallet, provider_created_at, detached_at,
                                           provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, 'card', 'visa', '4242', 12, 2034, 'apple_pay', to_timestamp($5),
              CASE WHEN $6 THEN billing.now() END, billing.now(), 'evt_1')
    )sql",
                    {id, entity_id, "pm_" + name, "cus_" + entity_id, kEpoch + second, detached});
    return id;
  }
  void ProjectCustomer(const std::string& entity_id, const std::string& default_method) {
    database_.Admin(R"sql(
      INSERT INTO billing.customers (id, env, entity_id, provider, provider_customer_id, provider_default_payment_method_id,
                                     provider_updated_at, provider_event_id)
      VALUES ($1, 'test', $2, 'stripe', $3, $4, billing.now(), 'evt_1')
    )sql",
                    {database_.ids().NewId(), entity_id, "cus_" + entity_id, default_method});
  }
  // All invoices by pages of this size; `between` runs after each page. Empty on an error.
  template <typename Between>
  std::vector<std::string> InvoicesByPages(int size, Between between) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const auto page = service_.ListInvoices(User("ann"), ById(acme_), size, token);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) return {};
      EXPECT_LE(page->rows.size(), static_cast<size_t>(size));
      for (const InvoiceRow& row : page->rows) ids.push_back(row.id);
      token = page->next_token;
      between();
    } while (!token.empty());
    return ids;
  }
  std::string RefusedField(int size, const std::string& token) {
    const auto page = service_.ListInvoices(User("ann"), ById(acme_), size, token);
    return ReasonOf(page.status()) == Reason::FAILURE_REASON_INVALID_ARGUMENT ? MetadataOf(page.status())["field"] : "";
  }

  std::string acme_, other_;
};

TEST_F(AccountReadTest, TheSnapshotHasEverythingNewestFirstAndBounded) {
  database_.AddPlan("pro", 2900, {});
  const std::string subscription = AddSubscription(acme_, "s", true, "active");
  AddItem(acme_, subscription, "price_pro", 1);
  std::vector<std::string> invoices, payments;
  for (int n = 0; n < 7; ++n) invoices.push_back(AddInvoice(acme_, absl::StrCat("a", n), n));
  for (int n = 0; n < 7; ++n) payments.push_back(AddPayment(acme_, absl::StrCat("a", n), n, invoices[n]));
  const std::string oldest = AddMethod(acme_, "oldest", 0), gone = AddMethod(acme_, "gone", 99, /*detached=*/true);
  std::string newest;
  for (int n = 1; n <= 24; ++n) newest = AddMethod(acme_, absl::StrCat("a", n), n);
  ProjectCustomer(acme_, "pm_oldest");

  const auto snapshot = service_.GetSnapshot(User("ann"), ById(acme_));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->entity.entity_id, acme_);
  EXPECT_EQ(snapshot->entity.slug, "acme");
  EXPECT_EQ(snapshot->entity.revision, 1);
  ASSERT_TRUE(snapshot->customer.has_value());
  EXPECT_EQ(snapshot->customer->provider, "stripe");
  ASSERT_TRUE(snapshot->subscription.has_value());
  EXPECT_EQ(snapshot->subscription->id, subscription);
  ASSERT_EQ(snapshot->subscription->items.size(), 1u);
  EXPECT_EQ(snapshot->subscription->items[0].plan_code, "pro");

  ASSERT_EQ(snapshot->invoices.size(), 5u);
  for (int n = 0; n < 5; ++n) EXPECT_EQ(snapshot->invoices[n].id, invoices[6 - n]);
  const InvoiceRow& invoice = snapshot->invoices[0];
  EXPECT_EQ(invoice.number, "a6");
  EXPECT_EQ(invoice.status, "paid");
  EXPECT_EQ(invoice.currency, "eur");
  EXPECT_EQ(invoice.total_minor, 2900);
  EXPECT_EQ(invoice.amount_due_minor, 2900);
  EXPECT_EQ(invoice.amount_paid_minor, 2000);
  EXPECT_EQ(invoice.amount_remaining_minor, 900);
  EXPECT_EQ(invoice.hosted_url, "https://pay.example/i");
  EXPECT_EQ(invoice.created_at, absl::FromUnixSeconds(kEpoch + 6));

  ASSERT_EQ(snapshot->payments.size(), 5u);
  for (int n = 0; n < 5; ++n) EXPECT_EQ(snapshot->payments[n].id, payments[6 - n]);
  EXPECT_EQ(snapshot->payments[0].status, "succeeded");
  EXPECT_EQ(snapshot->payments[0].amount_minor, 2900);
  EXPECT_EQ(snapshot->payments[0].amount_refunded_minor, 400);
  EXPECT_EQ(snapshot->payments[0].dispute_status, "open");
  EXPECT_EQ(snapshot->payments[0].invoice_id, invoices[6]);

  ASSERT_EQ(snapshot->payment_methods.size(), 20u);
  EXPECT_EQ(snapshot->payment_methods[0].id, oldest);
  EXPECT_TRUE(snapshot->payment_methods[0].is_default);
  EXPECT_EQ(snapshot->payment_methods[1].id, newest);
  for (size_t n = 1; n < 20; ++n) EXPECT_FALSE(snapshot->payment_methods[n].is_default);
  EXPECT_EQ(snapshot->payment_methods[0].brand, "visa");
  EXPECT_EQ(snapshot->payment_methods[0].last4, "4242");
  EXPECT_EQ(snapshot->payment_methods[0].exp_month, 12);
  EXPECT_EQ(snapshot->payment_methods[0].exp_year, 2034);
  EXPECT_EQ(snapshot->payment_methods[0].wallet, "apple_pay");
}

// What was paid through a payment link, by a customer that isn't linked (PRT-2).
TEST_F(AccountReadTest, AnInvoiceWithoutALinkedCustomerIsShown) {
  const std::string entity = Ensure(Workspace("ws-3", "bare", "cat"));
  const std::string invoice = database_.ids().NewId();
  database_.Admin(R"sql(
    INSERT INTO billing.invoices (id, env, entity_id, provider, provider_invoice_id, status, currency, total_minor,
                                  amount_due_minor, amount_paid_minor, amount_remaining_minor, provider_created_at,
                                  provider_updated_at, provider_event_id)
    VALUES ($1, 'test', $2, 'stripe', 'in_1', 'paid', 'eur', 2900, 2900, 2900, 0, billing.now(), billing.now(), 'evt_1')
  )sql",
                  {invoice, entity});
  const auto snapshot = service_.GetSnapshot(User("cat"), ById(entity));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_FALSE(snapshot->customer.has_value());
  ASSERT_EQ(snapshot->invoices.size(), 1u);
  EXPECT_EQ(snapshot->invoices[0].id, invoice);
  const auto page = service_.ListInvoices(User("cat"), ById(entity), 0, "");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->rows.size(), 1u);
  EXPECT_EQ(page->rows[0].total_minor, 2900);
}

TEST_F(AccountReadTest, AnEntityWithoutAnythingHasAnEmptySnapshot) {
  const std::string empty = Ensure(Workspace("ws-3", "empty", "cat"));
  AddInvoice(acme_, "a", 1);
  const auto snapshot = service_.GetSnapshot(User("cat"), {});  // the only one that she reaches
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->entity.entity_id, empty);
  EXPECT_FALSE(snapshot->customer.has_value());
  EXPECT_FALSE(snapshot->subscription.has_value());
  EXPECT_TRUE(snapshot->invoices.empty());
  EXPECT_TRUE(snapshot->payments.empty());
  EXPECT_TRUE(snapshot->payment_methods.empty());
  EXPECT_TRUE(service_.ListInvoices(User("cat"), ById(empty), 0, "")->rows.empty());
  EXPECT_TRUE(service_.ListPaymentMethods(User("cat"), ById(empty), 0, "")->rows.empty());
}

// WHK-12: a customer that the provider deleted is none, nor are its methods of use.
TEST_F(AccountReadTest, ADeletedCustomerAndItsMethodsAreNotShown) {
  AddMethod(acme_, "a", 1);
  ProjectCustomer(acme_, "pm_a");
  EXPECT_TRUE(service_.GetSnapshot(User("ann"), ById(acme_))->customer.has_value());
  database_.Admin(R"sql(
    UPDATE billing.customers SET deleted_at = billing.now(), provider_default_payment_method_id = NULL
  )sql");
  const auto snapshot = service_.GetSnapshot(User("ann"), ById(acme_));
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_FALSE(snapshot->customer.has_value());
  EXPECT_TRUE(snapshot->payment_methods.empty());
  EXPECT_TRUE(service_.ListPaymentMethods(User("ann"), ById(acme_), 0, "")->rows.empty());
}

TEST_F(AccountReadTest, OnlyMembersRead) {
  ASSERT_TRUE(service_.SetMember(operator_, ById(acme_), "vic", "viewer").ok());
  const std::vector<std::pair<auth::Caller, std::string>> strangers = {
      {User("bob"), acme_}, {User("ann"), other_}, {User("nobody"), acme_}, {User("ann"), database_.ids().NewId()}};
  for (const auto& [caller, entity] : strangers) {
    const std::string who = absl::StrCat(caller.user->subject, " reads ", entity);
    EXPECT_EQ(ReasonOf(service_.GetSnapshot(caller, ById(entity)).status()), Reason::FAILURE_REASON_ENTITY_NOT_FOUND)
        << who;
    // Bad arguments don't tell a stranger more than good ones.
    EXPECT_EQ(ReasonOf(service_.ListInvoices(caller, ById(entity), 1000, "x").status()),
              Reason::FAILURE_REASON_ENTITY_NOT_FOUND)
        << who;
    EXPECT_EQ(ReasonOf(service_.ListPaymentMethods(caller, ById(entity), 0, "").status()),
              Reason::FAILURE_REASON_ENTITY_NOT_FOUND)
        << who;
  }
  for (const auth::Caller& caller : {User("ann"), User("vic"), operator_}) {
    EXPECT_TRUE(service_.GetSnapshot(caller, ById(acme_)).ok());
    EXPECT_TRUE(service_.ListInvoices(caller, ById(acme_), 0, "").ok());
    EXPECT_TRUE(service_.ListPaymentMethods(caller, ById(acme_), 0, "").ok());
  }
}

// Many share a second, as renewals do. Newer and older ones arrive between the pages.
TEST_F(AccountReadTest, PagesShowEachOf250InvoicesOnceWhileOthersArrive) {
  std::vector<std::pair<int64_t, std::string>> made;
  for (int n = 0; n < 250; ++n) {
    const int64_t second = n / 40;
    made.emplace_back(second, AddInvoice(acme_, absl::StrCat("a", n), second));
  }
  AddInvoice(other_, "theirs", 3);
  std::sort(made.begin(), made.end(), std::greater<>());
  std::vector<std::string> expected;
  for (const auto& [second, id] : made) expected.push_back(id);

  for (const int size : {100, 25, 7}) EXPECT_EQ(InvoicesByPages(size, [] {}), expected) << size;

  int arrived = 0;
  const std::vector<std::string> seen = InvoicesByPages(20, [&] {
    ++arrived;
    AddInvoice(acme_, absl::StrCat("new", arrived), 1000 + arrived);
    AddInvoice(acme_, absl::StrCat("late", arrived), -1);
  });
  EXPECT_GE(arrived, 13);
  std::map<std::string, int> times;
  for (const std::string& id : seen) ++times[id];
  for (const std::string& id : expected) EXPECT_EQ(times[id], 1);
  for (const auto& [id, count] : times) EXPECT_EQ(count, 1) << id;
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), seen.begin())) << "order, before what came late";
}

TEST_F(AccountReadTest, PaymentMethodsArePagedWithoutDetachedOnes) {
  std::vector<std::string> expected;
  for (int n = 0; n < 45; ++n) {
    const std::string id = AddMethod(acme_, absl::StrCat("a", n), n, /*detached=*/n % 3 == 0);
    if (n % 3 != 0) expected.insert(expected.begin(), id);
  }
  AddMethod(other_, "theirs", 3);
  ProjectCustomer(acme_, "pm_a7");
  std::vector<std::string> seen;
  std::string token, by_default;
  do {
    const auto page = service_.ListPaymentMethods(User("ann"), ById(acme_), 4, token);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const PaymentMethodRow& row : page->rows) {
      seen.push_back(row.id);
      if (row.is_default) by_default += row.id;
    }
    token = page->next_token;
  } while (!token.empty());
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(by_default,
            database_.Value("SELECT id FROM billing.payment_methods WHERE provider_payment_method_id = 'pm_a7'"));
}

TEST_F(AccountReadTest, SizesAndTokensAreBoundedAndOfTheirEntityAndList) {
  for (int n = 0; n < 25; ++n) {
    AddInvoice(acme_, absl::StrCat("a", n), n);
    AddInvoice(other_, absl::StrCat("o", n), n);
    AddMethod(acme_, absl::StrCat("a", n), n);
  }
  const auto page = service_.ListInvoices(User("ann"), ById(acme_), 0, "");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->rows.size(), 20u);
  EXPECT_EQ(RefusedField(20, page->next_token), "");
  for (const int size : {-1, 101, INT32_MAX}) EXPECT_EQ(RefusedField(size, ""), "page_size") << size;

  const std::string theirs = service_.ListInvoices(User("bob"), ById(other_), 0, "")->next_token;
  const std::string of_methods = service_.ListPaymentMethods(User("ann"), ById(acme_), 0, "")->next_token;
  ASSERT_FALSE(theirs.empty());
  ASSERT_FALSE(of_methods.empty());
  EXPECT_EQ(RefusedField(20, theirs), "page_token");
  EXPECT_EQ(RefusedField(20, of_methods), "page_token");
  EXPECT_EQ(RefusedField(20, page->next_token + "A"), "page_token");
  EXPECT_EQ(RefusedField(20, "forged"), "page_token");
}

// Row-level security says so too, whatever a query asks for (TEN-7).
TEST_F(AccountReadTest, ATenantsTransactionShowsItsRowsOnly) {
  for (const std::string& entity : {acme_, other_}) {
    const std::string invoice = AddInvoice(entity, "i" + entity, 1);
    AddPayment(entity, "p" + entity, 1, invoice);
    AddMethod(entity, "m" + entity, 1);
    ProjectCustomer(entity, "pm_m" + entity);
  }
  const auto count_seen_of = [&](const std::string& asked) {
    return db::RunInTransaction(
        database_.Pool("checkout"), db::Scope::Tenant(acme_), [&](db::Tx& tx) -> absl::StatusOr<size_t> {
          ASSIGN_OR_RETURN(const auto customer, ReadLiveCustomer(tx, asked));
          ASSIGN_OR_RETURN(const auto invoices, ReadInvoices(tx, asked, std::nullopt, 10));
          ASSIGN_OR_RETURN(const auto payments, ReadNewestPayments(tx, asked, 10));
          ASSIGN_OR_RETURN(const auto methods, ReadPaymentMethods(tx, asked, std::nullopt, 10));
          ASSIGN_OR_RETURN(const auto first, ReadPaymentMethodsDefaultFirst(tx, asked, 10));
          return (customer.has_value() ? 1 : 0) + invoices.size() + payments.size() + methods.size() + first.size();
        });
  };
  EXPECT_EQ(*count_seen_of(acme_), 5u);
  EXPECT_EQ(*count_seen_of(other_), 0u);
  for (const char* table : {"customers", "invoices", "payments", "payment_methods"}) {
    const std::string sql = absl::StrCat("SELECT DISTINCT entity_id FROM billing.", table);
    const auto entities = db::RunInTransaction(database_.Pool("checkout"), db::Scope::Tenant(acme_),
                                               [&](db::Tx& tx) { return tx.Exec(sql.c_str()); });
    ASSERT_TRUE(entities.ok()) << entities.status();
    ASSERT_EQ(entities->size(), 1) << table;
    EXPECT_EQ((*entities)[0].Text(0), acme_);
  }
}

// A change between two statements of a snapshot: nothing of the old state may stand beside something of the new one.
TEST_F(AccountReadTest, ASnapshotIsOfOneRevision) {
  AddInvoice(acme_, "a", 1, "open");
  AddMethod(acme_, "old", 1);
  database_.Admin("BEGIN");
  // The last thing that a snapshot reads: it waits here, with the old invoice in its hands.
  database_.Admin("LOCK TABLE billing.payment_methods IN ACCESS EXCLUSIVE MODE");
  absl::StatusOr<AccountSnapshot> snapshot = absl::InternalError("not read");
  std::thread reader([&] { snapshot = service_.GetSnapshot(User("ann"), ById(acme_)); });
  const bool waiting = testing::WaitUntil([&] {
    return database_.Value(
               "SELECT count(*) FROM pg_locks WHERE relation = 'billing.payment_methods'::regclass "
               "AND NOT granted") == "1";
  });
  database_.Admin("UPDATE billing.invoices SET status = 'paid' WHERE provider_invoice_id = 'in_a'");
  AddMethod(acme_, "new", 2);
  database_.Admin("UPDATE billing.entities SET revision = revision + 1 WHERE id = $1", {acme_});
  database_.Admin("COMMIT");
  reader.join();
  EXPECT_TRUE(waiting);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->entity.revision, 2);
  EXPECT_EQ(snapshot->payment_methods.size(), 2u);
  ASSERT_EQ(snapshot->invoices.size(), 1u);
  EXPECT_EQ(snapshot->invoices[0].status, "paid");
}

// PRT-6: where a card's facts are kept there is no room for its number.
TEST_F(AccountReadTest, NoColumnOfAMethodTakesACardNumber) {
  const std::string id = AddMethod(acme_, "a", 1);
  for (const char* number : {"4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005"}) {
    for (const char* column : {"type", "brand", "last4", "wallet", "exp_month", "exp_year"}) {
      const bool is_number = std::string(column).starts_with("exp_");
      const std::string sql = absl::StrCat("UPDATE billing.payment_methods SET ", column, " = $2",
                                           is_number ? "::integer" : "", " WHERE id = $1");
      const absl::Status stored = database_.Pool("webhook").Run(db::Scope::Tenant(acme_), [&](db::Tx& tx) {
        return tx.Exec(sql.c_str(), {id, number}).status();
      });
      EXPECT_FALSE(stored.ok()) << column << " takes " << number;
    }
  }
}

}  // namespace
}  // namespace billmesh::checkout
