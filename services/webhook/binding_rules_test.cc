#include "services/webhook/binding_rules.h"

#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

constexpr char kA[] = "entity_a";
constexpr char kB[] = "entity_b";

Evidence Stored() {
  Evidence evidence;
  evidence.entity_of_customer["cus_a"] = kA;
  evidence.entity_of_customer["cus_b"] = kB;
  evidence.sessions["cs_a"] = {kA, "op_a", "cs_a", "cus_a"};
  evidence.sessions_of_operation["op_a"] = evidence.sessions["cs_a"];
  evidence.subscriptions["sub_a"] = {kA, "op_a"};
  evidence.subscriptions["sub_foreign"] = {kA, std::nullopt};
  evidence.entity_of_invoice["in_a"] = kA;
  evidence.operations["op_a"] = {"id_a", kA, "checkout", "pro", 1, "cus_a"};
  evidence.operations["op_b"] = {"id_b", kB, "checkout", "pro", 1, "cus_b"};
  evidence.operations["op_new"] = {"id_n", kA, "checkout", "pro", 1, std::nullopt};
  evidence.operations["op_link"] = {"id_l", kA, "create_payment_link", std::nullopt, std::nullopt, "cus_a"};
  evidence.operations["op_link_bare"] = {"id_m", kA, "create_payment_link", std::nullopt, std::nullopt, std::nullopt};
  return evidence;
}

std::string Verdict(Owner owner, const EventKeys& keys) {
  const Binding binding = Bind(owner, keys, Stored(), "test");
  return binding.disposition == Disposition::kPending ? binding.entity_id
                                                      : std::string(NameOf(binding.disposition)) + " " + binding.reason;
}

EventKeys Keys(std::optional<std::string> customer, provider::Correlation said = {}) {
  EventKeys keys;
  keys.customer_id = std::move(customer);
  keys.correlation = std::move(said);
  return keys;
}

TEST(BindingTest, OurOwnCorrelationDecides) {
  EventKeys session = Keys(std::nullopt);
  session.session_id = "cs_a";
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, session), kA);
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys(std::nullopt, {.operation_key = "op_a"})), kA);
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_a")), kA);
  EventKeys invoice = Keys("cus_a");
  invoice.subscription_id = "sub_a";
  EXPECT_EQ(Verdict(Owner::kInvoices, invoice), kA);
}

TEST(BindingTest, MetadataAloneBindNothing) {
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_unknown", {.entity_id = kA, .env = "test"})),
            "parked nothing_stored_matches");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys(std::nullopt, {.operation_key = "op_forged", .entity_id = kA})),
            "parked nothing_stored_matches");
  EXPECT_EQ(Verdict(Owner::kInvoices, Keys(std::nullopt)), "parked nothing_stored_matches");
}

TEST(BindingTest, AnUnknownOperationKeyNeitherConfirmsNorContradicts) {
  const EventKeys keys = Keys("cus_a", {.operation_key = "op_of_somebody"});
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), kA);
  EXPECT_FALSE(KnownOperation(keys, Stored()).has_value());
  EXPECT_EQ(KnownOperation(Keys("cus_a", {.operation_key = "op_a"}), Stored()), "op_a");
}

TEST(BindingTest, WhatBelongsToACustomerWaitsForItsLink) {
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_new", {.operation_key = "op_new"})), "parked customer_not_linked");
  EXPECT_EQ(Verdict(Owner::kInvoices, Keys(std::nullopt, {.operation_key = "op_new"})), "parked customer_not_linked");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys("cus_new", {.operation_key = "op_new"})), kA)
      << "a session is known by our own key";
}

TEST(BindingTest, ContradictionsAreQuarantined) {
  EventKeys keys = Keys("cus_b", {.operation_key = "op_a"});
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), "quarantined stored_entities_differ");
  keys = Keys("cus_b");
  keys.subscription_id = "sub_a";
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), "quarantined stored_entities_differ");
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_a", {.entity_id = kB})), "quarantined metadata_entity_differs");
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_a", {.env = "live"})), "quarantined metadata_env_differs");
  keys = Keys("cus_a", {.operation_key = "op_new"});
  keys.session_id = "cs_a";
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, keys), "quarantined session_operation_differs");
  keys = Keys("cus_a", {.operation_key = "op_a"});
  keys.session_id = "cs_other";
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, keys), "quarantined operation_session_differs");
  keys = Keys("cus_stranger", {.operation_key = "op_a"});
  keys.session_id = "cs_a";
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, keys), "quarantined session_customer_differs");
  keys = Keys("cus_a", {.operation_key = "op_new"});
  keys.subscription_id = "sub_a";
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), "quarantined subscription_operation_differs");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys("cus_stranger", {.operation_key = "op_b"})),
            "quarantined operation_customer_differs");
}

TEST(BindingTest, WhatAPaymentLinkSoldIsKnownByOurKeyWhoeverPaid) {
  for (const std::string key : {"op_link", "op_link_bare"}) {
    const provider::Correlation said = {.operation_key = key, .entity_id = kA, .env = "test"};
    for (const auto& payer : {std::optional<std::string>("cus_stranger"), std::optional<std::string>()}) {
      EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys(payer, said)), kA) << key;
      EventKeys invoice = Keys(payer, said);
      invoice.invoice_id = "in_new";
      EXPECT_EQ(Verdict(Owner::kInvoices, invoice), kA) << key;
    }
  }
}

TEST(BindingTest, APaymentLinksKeyExcusesNoOtherContradiction) {
  provider::Correlation said = {.operation_key = "op_link", .entity_id = kB};
  EXPECT_EQ(Verdict(Owner::kInvoices, Keys("cus_stranger", said)), "quarantined metadata_entity_differs");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys("cus_stranger", said)), "quarantined metadata_entity_differs");
  said = {.operation_key = "op_link", .entity_id = kA, .env = "live"};
  EXPECT_EQ(Verdict(Owner::kInvoices, Keys("cus_stranger", said)), "quarantined metadata_env_differs");
  said = {.operation_key = "op_link"};
  EXPECT_EQ(Verdict(Owner::kInvoices, Keys("cus_b", said)), "quarantined stored_entities_differ");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys("cus_b", said)), "quarantined stored_entities_differ");
}

TEST(BindingTest, APaymentLinkSellsNoSubscription) {
  EventKeys keys = Keys("cus_stranger", {.operation_key = "op_link"});
  keys.subscription_id = "sub_new";
  for (const Owner owner : {Owner::kCheckoutSessions, Owner::kSubscriptions, Owner::kInvoices}) {
    EXPECT_EQ(Verdict(owner, keys), "quarantined operation_customer_differs");
  }
  keys.correlation.operation_key = "op_link_bare";
  EXPECT_EQ(Verdict(Owner::kInvoices, keys), "parked customer_not_linked");
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), "parked customer_not_linked");
}

TEST(BindingTest, AStoredOneOffInvoiceStaysItsEntitys) {
  EventKeys keys = Keys("cus_stranger");
  keys.invoice_id = "in_a";
  EXPECT_EQ(Verdict(Owner::kInvoices, keys), kA);
  keys.correlation.entity_id = kB;
  EXPECT_EQ(Verdict(Owner::kInvoices, keys), "quarantined metadata_entity_differs");
  keys = Keys("cus_stranger");
  keys.invoice_id = "in_a";
  keys.subscription_id = "sub_new";
  EXPECT_EQ(Verdict(Owner::kInvoices, keys), "parked customer_not_linked");
}

TEST(BindingTest, AnotherDeploymentsEventIsIgnoredOnlyWhereNothingStoredMatches) {
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_unknown", {.env = "staging"})), "ignored environment_mismatch");
  EXPECT_EQ(Verdict(Owner::kSubscriptions, Keys("cus_unknown", {.env = "test"})), "parked nothing_stored_matches");
}

TEST(BindingTest, ASessionWithoutOurKeyIsNotOurs) {
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys("cus_unknown")), "ignored not_our_checkout");
  EXPECT_EQ(Verdict(Owner::kCheckoutSessions, Keys(std::nullopt)), "ignored not_our_checkout");
}

TEST(BindingTest, AKnownSubscriptionMayLearnItsOperation) {
  EventKeys keys = Keys("cus_a", {.operation_key = "op_a"});
  keys.subscription_id = "sub_foreign";
  EXPECT_EQ(Verdict(Owner::kSubscriptions, keys), kA);
}

TEST(BindingTest, KeysComeFromEachKindOfObject) {
  provider::Event event;
  event.customer_id = "cus_1";
  provider::CheckoutSession session;
  session.id = "cs_1";
  session.subscription_id = "sub_1";
  session.correlation.operation_key = "op_1";
  event.object = session;
  EventKeys keys = KeysOf(event);
  EXPECT_EQ(keys.session_id, "cs_1");
  EXPECT_EQ(keys.subscription_id, "sub_1");
  EXPECT_EQ(keys.customer_id, "cus_1");
  EXPECT_EQ(keys.correlation.operation_key, "op_1");
  provider::Invoice invoice;
  invoice.id = "in_1";
  invoice.subscription_id = "sub_1";
  event.object = invoice;
  keys = KeysOf(event);
  EXPECT_EQ(keys.invoice_id, "in_1");
  EXPECT_EQ(keys.subscription_id, "sub_1");
  EXPECT_FALSE(keys.session_id.has_value());
  EXPECT_EQ(keys.customer_id, "cus_1");
}

TEST(BindingTest, AnObjectWithoutAnEventNamesItsCustomerItself) {
  provider::CheckoutSession session;
  provider::Subscription subscription;
  provider::Invoice invoice;
  session.customer_id = subscription.customer_id = invoice.customer_id = "cus_2";
  for (const ProviderObject& object :
       {ProviderObject(session), ProviderObject(subscription), ProviderObject(invoice)}) {
    EXPECT_EQ(KeysOf(object).customer_id, "cus_2");
  }
}

TEST(BindTest, ALogCanSayWhomAnUnboundEventSpeaksOf) {
  const Binding quarantined = Bind(Owner::kSubscriptions, Keys("cus_a", {.entity_id = kB}), Stored(), "test");
  EXPECT_EQ(quarantined.disposition, Disposition::kQuarantined);
  EXPECT_EQ(quarantined.entity_id, "") << "it is bound to nobody";
  EXPECT_EQ(quarantined.correlated_entity_id, kA);
}

}  // namespace
}  // namespace billmesh::webhook
