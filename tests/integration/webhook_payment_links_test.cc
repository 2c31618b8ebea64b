// Paid payment links (PRT-2, WHK-4): the payer is a customer of the provider's own making, so that only the operation's
// key says whose the session and the invoice are. On a real PostgreSQL.
#include <optional>

#include "common/telemetry/metrics.h"
#include "services/webhook/projection_service.h"
#include "tests/integration/webhook_world.h"

namespace billmesh::webhook {
namespace {

constexpr char kPayer[] = "cus_payer";

class WebhookPaymentLinksTest : public WebhookTest {
 protected:
  WebhookPaymentLinksTest() : mismatches_before_(Mismatches()) {}

  // Without a customer, or with one that isn't the payer.
  std::string AddEntity(const std::string& name, bool has_customer) {
    const std::string entity = database_.AddWorkspace(name);
    if (has_customer) database_.LinkCustomer(entity, "cus_of_" + name);
    return entity;
  }
  // What an answered payment link leaves behind.
  void AddLink(const std::string& key, const std::string& entity) {
    database_.Admin(R"sql(
      INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
        operation_key, actor, status, provider, response, completed_at)
      VALUES ($1, 'test', $2, 'create_payment_link', $3, '', '', $3, 'user:x', 'succeeded', 'stripe', '{}', billing.now())
    )sql",
                    {database_.ids().NewId(), entity, key});
  }
  static json Metadata(const std::string& key, const std::string& entity, const std::string& env = "test") {
    return {{"billmesh_operation_key", key}, {"billmesh_entity_id", entity}, {"billmesh_env", env}};
  }
  static json PaidSession(const std::string& id, const json& metadata, const std::string& customer = kPayer) {
    json session = Session(id, customer, "complete", "", "");
    session["mode"] = "payment";
    session["payment_link"] = "plink_1";
    session["metadata"] = metadata;
    return session;
  }
  static json OneOff(const std::string& id, const json& metadata, const std::string& status = "paid",
                     const std::string& customer = kPayer) {
    json invoice = Invoice(id, customer, status, "");
    invoice["billing_reason"] = "manual";
    invoice["metadata"] = metadata;
    return invoice;
  }
  static json Completed(const std::string& id, json session) {
    return Event(id, "checkout.session.completed", 5, std::move(session));
  }
  static json Paid(const std::string& id, json invoice, int64_t at = 5) {
    return Event(id, "invoice.paid", at, std::move(invoice));
  }

  std::string InvoiceOf(const std::string& id) {
    return Value(R"sql(
      SELECT concat_ws(' ', i.entity_id, i.status, i.total_minor, coalesce(i.provider_customer_id, 'unlinked'))
      FROM billing.invoices i WHERE i.provider_invoice_id = $1
    )sql",
                 {id});
  }
  std::string Sessions() { return Value("SELECT count(*)::text FROM billing.checkout_sessions"); }
  std::string Stuck() {
    return Value("SELECT count(*)::text FROM billing.webhook_events WHERE status NOT IN ('processed', 'ignored')");
  }
  // Guardrails since the test began; the process counts for all its tests.
  int NewMismatches() { return Mismatches() - mismatches_before_; }
  std::string ProjectOne(const std::string& kind, const json& object) {
    const auto projected = projection_.Project({{kind, object.dump(), absl::FromUnixSeconds(kEpoch + 10)}},
                                               "spiffe://billmesh/reconciler");
    if (!projected.ok()) return CodeOf(ReasonOf(projected.status()));
    std::string word(NameOf(projected->at(0).outcome));
    if (!projected->at(0).reason.empty()) absl::StrAppend(&word, " ", projected->at(0).reason);
    return word;
  }

 private:
  static int Mismatches() {
    constexpr std::string_view kSeries = "billmesh_guardrail_total{code=\"BILLING_CHECKOUT_CORRELATION_MISMATCH\"} ";
    const std::string metrics = telemetry::RenderMetrics();
    const size_t at = metrics.find(kSeries);
    return at == std::string::npos ? 0 : std::stoi(metrics.substr(at + kSeries.size()));
  }

  const int mismatches_before_;
  ProjectionService projection_{{replica_.pool, replica_.ids, replica_.notifier, replica_.source}, DefaultSettings()};
};

TEST_F(WebhookPaymentLinksTest, APaidLinkIsTheEntitysInvoiceAndNothingElse) {
  for (const bool has_customer : {false, true}) {
    for (const bool session_first : {false, true}) {
      const std::string name = absl::StrCat(has_customer ? "linked" : "bare", session_first ? "-s" : "-i");
      SCOPED_TRACE(name);
      const std::string entity = AddEntity(name, has_customer), key = "op_" + name;
      AddLink(key, entity);
      const json session = Completed("evt_s_" + name, PaidSession("cs_" + name, Metadata(key, entity)));
      const json invoice = Paid("evt_i_" + name, OneOff("in_" + name, Metadata(key, entity)));
      const int64_t revision = Revision(entity);
      const std::string first = Deliver(session_first ? session : invoice);
      const std::string second = Deliver(session_first ? invoice : session);
      EXPECT_EQ(session_first ? first : second, "ignored payment_link_session");
      EXPECT_EQ(session_first ? second : first, "processed");
      EXPECT_EQ(InvoiceOf("in_" + name), entity + " paid 1900 unlinked");
      EXPECT_EQ(Revision(entity), revision + 1);
    }
  }
  EXPECT_EQ(Sessions(), "0");
  EXPECT_EQ(Stuck(), "0");
  EXPECT_EQ(NewMismatches(), 0);
}

TEST_F(WebhookPaymentLinksTest, TheWholeLifeOfTheInvoiceInOneBatchAndInAnyOrder) {
  AddLink("op_1", entity_);
  const json metadata = Metadata("op_1", entity_);
  const json draft = Event("evt_1", "invoice.created", 5, OneOff("in_1", metadata, "draft"));
  const json open = Event("evt_2", "invoice.finalized", 5, OneOff("in_1", metadata, "open"));
  EXPECT_EQ(DeliverBatch({draft, open, Paid("evt_3", OneOff("in_1", metadata)),
                          Completed("evt_4", PaidSession("cs_1", metadata))}),
            (std::vector<std::string>{"processed", "processed", "processed", "ignored payment_link_session"}));
  EXPECT_EQ(InvoiceOf("in_1"), entity_ + " paid 1900 unlinked");
  EXPECT_EQ(Deliver(Event("evt_5", "invoice.updated", 4, OneOff("in_1", metadata, "open"))), "processed");
  EXPECT_EQ(Deliver(Paid("evt_6", OneOff("in_1", metadata), 9)), "processed");
  EXPECT_EQ(InvoiceOf("in_1"), entity_ + " paid 1900 unlinked");
  // Paid by somebody else through the same link.
  EXPECT_EQ(Deliver(Paid("evt_7", OneOff("in_2", metadata, "paid", "cus_payer_2"))), "processed");
  EXPECT_EQ(InvoiceOf("in_2"), entity_ + " paid 1900 unlinked");
  EXPECT_EQ(NewMismatches(), 0);
}

TEST_F(WebhookPaymentLinksTest, FetchedObjectsAreBoundAsEventsAre) {
  for (const bool has_customer : {false, true}) {
    const std::string name = has_customer ? "linked" : "bare";
    SCOPED_TRACE(name);
    const std::string entity = AddEntity(name, has_customer), key = "op_" + name;
    AddLink(key, entity);
    EXPECT_EQ(ProjectOne("checkout_session", PaidSession("cs_" + name, Metadata(key, entity))),
              "refused payment_link_session");
    const json invoice = OneOff("in_" + name, Metadata(key, entity));
    EXPECT_EQ(ProjectOne("invoice", invoice), "changed");
    EXPECT_EQ(ProjectOne("invoice", invoice), "unchanged");
    EXPECT_EQ(InvoiceOf("in_" + name), entity + " paid 1900 unlinked");
  }
  EXPECT_EQ(Sessions(), "0");
  EXPECT_EQ(NewMismatches(), 0);
}

TEST_F(WebhookPaymentLinksTest, TheEntitysOwnCustomerStaysNamedWhereItPays) {
  AddLink("op_1", entity_);
  EXPECT_EQ(Deliver(Paid("evt_1", OneOff("in_1", Metadata("op_1", entity_), "paid", "cus_1"))), "processed");
  EXPECT_EQ(InvoiceOf("in_1"), entity_ + " paid 1900 cus_1");
}

TEST_F(WebhookPaymentLinksTest, AStoredOneOffIsKnownWithoutItsMetadata) {
  AddLink("op_1", entity_);
  EXPECT_EQ(Deliver(Event("evt_1", "invoice.finalized", 5, OneOff("in_1", Metadata("op_1", entity_), "open"))),
            "processed");
  EXPECT_EQ(Deliver(Paid("evt_2", OneOff("in_1", json::object()), 9)), "processed");
  EXPECT_EQ(InvoiceOf("in_1"), entity_ + " paid 1900 unlinked");
}

TEST_F(WebhookPaymentLinksTest, ForeignMetadataAreQuarantined) {
  const std::string other = AddEntity("other", true);
  AddLink("op_1", entity_);
  int n = 0;
  for (const json& metadata : {Metadata("op_1", other), Metadata("op_1", entity_, "live")}) {
    const std::string why = n == 0 ? "quarantined metadata_entity_differs" : "quarantined metadata_env_differs";
    SCOPED_TRACE(why);
    EXPECT_EQ(Deliver(Completed(absl::StrCat("evt_s_", n), PaidSession("cs_1", metadata))), why);
    EXPECT_EQ(Deliver(Paid(absl::StrCat("evt_i_", n), OneOff("in_1", metadata))), why);
    EXPECT_EQ(ProjectOne("invoice", OneOff("in_1", metadata)), "contradicted");
    EXPECT_EQ(NewMismatches(), 3 * ++n);
  }
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.invoices"), "0");
}

TEST_F(WebhookPaymentLinksTest, ALinkedCustomerStillHasItsSay) {
  const std::string other = AddEntity("other", true);
  AddLink("op_other", other);
  EXPECT_EQ(Deliver(Completed("evt_1", PaidSession("cs_1", Metadata("op_other", other), "cus_1"))),
            "quarantined stored_entities_differ");
  EXPECT_EQ(Deliver(Paid("evt_2", OneOff("in_1", Metadata("op_other", other), "paid", "cus_1"))),
            "quarantined stored_entities_differ");
  EXPECT_EQ(NewMismatches(), 2);
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.invoices"), "0");
}

TEST_F(WebhookPaymentLinksTest, OnlyWhatALinkSellsOnceIsExempt) {
  AddOperation("op_checkout", entity_);
  EXPECT_EQ(Deliver(Completed("evt_1", PaidSession("cs_1", Metadata("op_checkout", entity_)))),
            "quarantined operation_customer_differs");
  EXPECT_EQ(Deliver(Paid("evt_2", OneOff("in_1", Metadata("op_checkout", entity_)))),
            "quarantined operation_customer_differs");
  AddLink("op_link", entity_);
  json renewal = Invoice("in_2", kPayer, "paid", "sub_strange");
  renewal["metadata"] = Metadata("op_link", entity_);
  EXPECT_EQ(Deliver(Paid("evt_3", renewal)), "quarantined operation_customer_differs");
  EXPECT_EQ(Deliver(Event("evt_4", "customer.subscription.created", 5,
                          Subscription("sub_strange", kPayer, "active", 0, Metadata("op_link", entity_)))),
            "quarantined operation_customer_differs");
  EXPECT_EQ(Value("SELECT count(*)::text FROM billing.invoices"), "0");
}

}  // namespace
}  // namespace billmesh::webhook
