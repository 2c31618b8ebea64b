#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/stripe/event_reader.h"
#include "common/stripe/object_readers.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

template <typename T>
T Read(const std::string& kind, const std::string& json) {
  const auto object = ReadObject(kind, json);
  EXPECT_TRUE(object.ok()) << kind << ": " << object.status();
  return object.ok() ? std::get<T>(*object) : T();
}

std::string ErrorOf(const std::string& kind, const std::string& json) {
  return std::string(ReadObject(kind, json).status().message());
}

constexpr char kPayment[] =
    R"({"id": "pi_1", "object": "payment_intent", "amount": 2900, "currency": "EUR", "customer": "cus_1",
  "status": "requires_payment_method", "created": 1700000000, "canceled_at": null, "livemode": false, "latest_charge": "ch_1",
  "metadata": {"billmesh_operation_key": "op_1", "billmesh_item_code": "credits"},
  "last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds", "message": "no"}})";
constexpr char kCharge[] =
    R"({"id": "ch_1", "object": "charge", "amount": 2900, "amount_refunded": 900, "currency": "eur",
  "customer": {"id": "cus_1"}, "payment_intent": "pi_1", "status": "succeeded", "created": 1700000001, "livemode": false,
  "failure_code": null})";
constexpr char kMethod[] =
    R"({"id": "pm_1", "object": "payment_method", "customer": "cus_1", "type": "card", "created": 1700000000,
  "livemode": false, "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034,
  "wallet": {"type": "apple_pay"}}})";

TEST(PaymentReadersTest, ReadsPaymentsOfBothShapes) {
  const auto payment = Read<provider::Payment>("payment", kPayment);
  EXPECT_EQ(payment.id, "pi_1");
  EXPECT_EQ(payment.currency, "eur");
  EXPECT_EQ(payment.amount_minor, 2900);
  EXPECT_EQ(payment.failure_code, "insufficient_funds") << "the bank's reason";
  EXPECT_EQ(payment.invoice_id, std::nullopt);
  EXPECT_EQ(payment.latest_charge_id, "ch_1");
  EXPECT_EQ(payment.correlation.operation_key, "op_1");
  EXPECT_EQ(payment.correlation.item_code, "credits");
  const auto old = Read<provider::Payment>(
      "payment", absl::StrReplaceAll(kPayment, {{"\"livemode\"", "\"invoice\": {\"id\": \"in_1\"}, \"livemode\""}}));
  EXPECT_EQ(old.invoice_id, "in_1");
  const auto expanded = Read<provider::Payment>(
      "payment", absl::StrReplaceAll(kPayment, {{R"("latest_charge": "ch_1")", R"("latest_charge": {"id": "ch_2"})"}}));
  EXPECT_EQ(expanded.latest_charge_id, "ch_2");
  const auto untried = Read<provider::Payment>(
      "payment", absl::StrReplaceAll(kPayment, {{R"("latest_charge": "ch_1")", R"("latest_charge": null)"}}));
  EXPECT_EQ(untried.latest_charge_id, std::nullopt);
}

TEST(PaymentReadersTest, AChargeNamesItsPaymentOrIsOne) {
  const auto charge = Read<provider::Charge>("charge", kCharge);
  EXPECT_EQ(charge.payment_id, "pi_1");
  EXPECT_EQ(charge.customer_id, "cus_1") << "expanded";
  EXPECT_EQ(charge.amount_refunded_minor, 900);
  const auto old = Read<provider::Charge>(
      "charge", absl::StrReplaceAll(kCharge, {{"\"payment_intent\": \"pi_1\"", "\"payment_intent\": null"}}));
  EXPECT_EQ(old.payment_id, "ch_1");
}

TEST(PaymentReadersTest, ReadsWhatBecomesOfAPayment) {
  const auto refund =
      Read<provider::Refund>("refund", R"({"id": "re_1", "charge": "ch_1", "payment_intent": null, "amount": 1,
    "currency": "eur", "status": "failed", "failure_reason": "lost_or_stolen_card", "created": 1700000000, "metadata": null})");
  EXPECT_EQ(refund.payment_id, "ch_1");
  EXPECT_EQ(refund.failure_code, "lost_or_stolen_card");
  const auto dispute =
      Read<provider::Dispute>("dispute", R"({"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 1,
    "currency": "eur", "status": "needs_response", "reason": "fraudulent", "created": 1700000000, "livemode": false})");
  EXPECT_EQ(dispute.payment_id, "pi_1");
  EXPECT_EQ(dispute.cause, "fraudulent");
  const auto note =
      Read<provider::CreditNote>("credit_note", R"({"id": "cn_1", "invoice": {"id": "in_1"}, "customer": "cus_1",
    "status": "void", "currency": "eur", "total": 5, "number": "N-1", "created": 1700000000, "voided_at": 1700000009,
    "livemode": false})");
  EXPECT_EQ(note.invoice_id, "in_1");
  EXPECT_EQ(note.voided_at, absl::FromUnixSeconds(1700000009));
  const auto paid =
      Read<provider::InvoicePayment>("invoice_payment", R"({"id": "inpay_1", "invoice": "in_1", "status": "paid",
    "livemode": false, "payment": {"type": "payment_intent", "payment_intent": "pi_1"}})");
  EXPECT_EQ(paid.payment_id, "pi_1");
  const auto cash =
      Read<provider::InvoicePayment>("invoice_payment", R"({"id": "inpay_1", "invoice": "in_1", "status": "paid",
    "livemode": false, "payment": {"type": "payment_record", "payment_record": "prec_1"}})");
  EXPECT_EQ(cash.payment_id, std::nullopt);
}

TEST(PaymentReadersTest, ReadsCustomersAliveAndDeleted) {
  const auto customer = Read<provider::Customer>("customer", R"({"id": "cus_1", "object": "customer", "livemode": true,
    "invoice_settings": {"default_payment_method": {"id": "pm_1"}}, "metadata": {"billmesh_entity_id": "e_1"}})");
  EXPECT_EQ(customer.default_payment_method_id, "pm_1");
  EXPECT_EQ(customer.correlation.entity_id, "e_1");
  const auto deleted =
      Read<provider::Customer>("customer", R"({"id": "cus_1", "object": "customer", "deleted": true})");
  EXPECT_TRUE(deleted.deleted);
  EXPECT_EQ(deleted.livemode, std::nullopt);
}

TEST(PaymentReadersTest, KeepsOfAMethodWhatIsShownAndNothingElse) {
  const auto card = Read<provider::PaymentMethod>("payment_method", kMethod);
  EXPECT_EQ(card.brand, "visa");
  EXPECT_EQ(card.last4, "4242");
  EXPECT_EQ(card.exp_year, 2034);
  EXPECT_EQ(card.wallet, "apple_pay");
  const auto sepa =
      Read<provider::PaymentMethod>("payment_method", R"({"id": "pm_2", "customer": null, "type": "sepa_debit",
    "created": 1700000000, "livemode": false, "sepa_debit": {"last4": "3000", "bank_code": "1"}})");
  EXPECT_EQ(sepa.last4, "3000");
  EXPECT_EQ(sepa.brand, std::nullopt);
  const auto link = Read<provider::PaymentMethod>("payment_method", R"({"id": "pm_3", "type": "a_type_of_next_year",
    "created": 1700000000, "livemode": false, "a_type_of_next_year": {"last4": "1111"}})");
  EXPECT_EQ(link.last4, std::nullopt);
  // PRT-6: no word and no last four takes a card number.
  const auto odd = Read<provider::PaymentMethod>(
      "payment_method", absl::StrReplaceAll(kMethod, {{"\"4242\"", "\"4242424242424242\""},
                                                      {"\"visa\"", "\"4242424242424242\""},
                                                      {"\"apple_pay\"", "\"4242424242424242\""},
                                                      {"2034", "4242424242424242"}}));
  EXPECT_EQ(odd.brand, std::nullopt);
  EXPECT_EQ(odd.last4, std::nullopt);
  EXPECT_EQ(odd.wallet, std::nullopt);
  EXPECT_EQ(odd.exp_year, std::nullopt);
}

TEST(PaymentReadersTest, ComplaintsNameTheField) {
  const struct {
    const char* kind;
    const char* json;
    const char* error;
  } kCases[] = {
      {"payment",
       R"({"id": "pi_1", "status": "succeeded", "currency": "eur", "amount": -1, "created": 1, "livemode": false})",
       "amount: negative"},
      {"payment",
       R"({"id": "pi_1", "status": "succeeded", "currency": "eur", "amount": 1e30, "created": 1, "livemode": false})",
       "amount: not a 64-bit integer"},
      {"charge", R"({"id": ["ch_1"]})", "id: not a string"},
      {"refund", R"({"id": "re_1"})", "payment_intent: missing, and no charge either"},
      {"credit_note", R"({"id": "cn_1"})", "invoice: missing"},
      {"invoice_payment", R"({"id": "ip_1", "invoice": "in_1", "payment": []})", "payment: not an object"},
      {"payment_method", R"({"id": "pm_1", "type": "4242424242424242"})", "type: not a word"},
      {"customer", R"({"id": "cus_1", "deleted": "yes"})", "deleted: not a boolean"},
      {"payment_link", R"({"id": "plink_1"})", "kind: unknown"},
  };
  for (const auto& c : kCases) EXPECT_EQ(ErrorOf(c.kind, c.json), c.error) << c.json;
}

TEST(PaymentReadersTest, AnEventOfADetachedMethodNamesWhoHadIt) {
  const auto event = ReadEvent(absl::StrCat(
      R"({"id": "evt_1", "object": "event", "type": "payment_method.detached", "created": 1700000000, "livemode": false,
          "data": {"previous_attributes": {"customer": "cus_1"}, "object": )",
      absl::StrReplaceAll(kMethod, {{"\"cus_1\"", "null"}}), "}}"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->customer_id, "cus_1");
  EXPECT_EQ(std::get<provider::PaymentMethod>(event->object).customer_id, std::nullopt);
}

}  // namespace
}  // namespace billmesh::stripe
