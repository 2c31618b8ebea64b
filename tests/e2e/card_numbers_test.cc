// Card numbers never reach the system (PRT-6): signed events that hold some wherever they can, through the built
// daemons; then every column of every table, and every log, is searched.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/test_database.h"
#include "gtest/gtest.h"
#include "tests/support/mesh.h"

namespace billmesh {
namespace {

using nlohmann::json;
using testing::HttpAnswer;
using testing::Mesh;

constexpr const char* kDaemons[] = {"checkout", "webhook", "entitlements", "reconciler", "edge"};
// What is fed, and what is left of it.
constexpr char kNumbers[] = "4242[ -]?4242[ -]?4242[ -]?4242|378282246310005|5555555555554444";
constexpr char kMasked[] = "1000[ -]?0000[ -]?0000[ -]?4242|100000000000005|1000000000004444";

// The columns of our tables that hold what matches: "table.column", comma-separated.
std::string ColumnsWith(Mesh& mesh, const std::string& pattern) {
  return mesh.Value(absl::StrReplaceAll(R"sql(
    SELECT coalesce(string_agg(name, ',' ORDER BY name), '') FROM (
      SELECT c.table_name || '.' || c.column_name AS name,
             (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM billing.%I WHERE %s ~ %L', c.table_name,
                format(CASE c.data_type WHEN 'bytea' THEN 'encode(%I, ''escape'')' ELSE '%I::text' END, c.column_name),
                '{pattern}'), false, true, '')))[1]::text::bigint AS n
      FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
      WHERE table_schema = 'billing' AND t.table_type = 'BASE TABLE') found
    WHERE n > 0)sql",
                                        {{"{pattern}", pattern}}));
}

json Event(const std::string& id, const std::string& type, json object) {
  return {{"id", id},
          {"object", "event"},
          {"api_version", "2026-10-28.endive"},
          {"created", 1790000000},
          {"livemode", false},
          {"type", type},
          {"request", {{"id", "req_1"}, {"idempotency_key", "4242424242424242"}}},
          {"data", {{"object", std::move(object)}}}};
}

// With a card number in each field that could take one, and in some that nobody reads.
json Invoice() {
  return {
      {"id", "in_cards"},
      {"object", "invoice"},
      {"customer", "cus_cards"},
      {"status", "paid"},
      {"currency", "eur"},
      {"number", "4242 4242 4242 4242"},
      {"billing_reason", "manual"},
      {"hosted_invoice_url", "https://pay.example/4242424242424242"},
      {"total", 1900},
      {"amount_due", 1900},
      {"amount_paid", 1900},
      {"amount_remaining", 0},
      {"attempt_count", 1},
      {"created", 1790000000},
      {"livemode", false},
      {"description", "paid by 4242-4242-4242-4242"},
      {"metadata", {{"card", "378282246310005"}, {"5555555555554444", "as a key"}}},
      {"lines", {{"data", json::array({{{"note", 5555555555554444}, {"list", json::array({4242424242424242})}}})}}}};
}

json Customer() {
  return {{"id", "cus_cards"},
          {"object", "customer"},
          {"created", 1790000000},
          {"livemode", false},
          {"name", "Card 4242424242424242"},
          {"description", "line\n378282246310005"},
          {"metadata", {{"billmesh_plan_code", "5555555555554444"}}}};
}

json FailedPayment() {
  return {{"id", "pi_cards"},
          {"object", "payment_intent"},
          {"customer", "cus_cards"},
          {"status", "requires_payment_method"},
          {"currency", "eur"},
          {"amount", 1900},
          {"amount_received", 0},
          {"created", 1790000000},
          {"livemode", false},
          {"last_payment_error", {{"code", "4242424242424242"}, {"message", "card 4242 4242 4242 4242 was declined"}}}};
}

TEST(CardNumbersEndToEndTest, NoTableAndNoLogHoldsOneThatAnEventHeld) {
  Mesh mesh;
  const std::string entity = mesh.AddWorkspace("cards", "user_cards");
  mesh.Value(
      "INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id) "
      "SELECT gen_random_uuid(), id, 'stripe', 'cus_cards' FROM billing.entities WHERE id = '" +
      entity + "'");
  const json events[] = {
      Event("evt_invoice", "invoice.paid", Invoice()), Event("evt_customer", "customer.updated", Customer()),
      Event("evt_payment", "payment_intent.payment_failed", FailedPayment()),
      Event("evt_other", "product.created", {{"id", "prod_1"}, {"object", "product"}, {"name", "4242424242424242"}}),
      Event("evt_unread", "invoice.paid", {{"id", "4242424242424242"}, {"object", "invoice"}})};
  for (const json& event : events) {
    const HttpAnswer answer = mesh.DeliverWebhook(event.dump());
    EXPECT_EQ(answer.status, 200) << event["id"] << ": " << answer.body;
  }
  // A body that is refused reaches no log either.
  EXPECT_EQ(mesh.DeliverWebhook("{\"id\": \"4242424242424242").status, 400);

  EXPECT_EQ(mesh.Value("SELECT status FROM billing.webhook_events WHERE provider_event_id = 'evt_invoice'"),
            "processed");
  EXPECT_EQ(mesh.Value("SELECT number FROM billing.invoices WHERE provider_invoice_id = 'in_cards'"),
            "1000 0000 0000 4242");
  const std::string masked = ColumnsWith(mesh, kMasked);
  EXPECT_NE(masked.find("webhook_events.payload"), std::string::npos) << "the search finds nothing at all: " << masked;
  EXPECT_EQ(ColumnsWith(mesh, kNumbers), "");
  const auto log_of = [&](const std::string& daemon) {
    std::ifstream file(mesh.work_directory() + "/" + daemon + ".log");
    return std::string((std::istreambuf_iterator<char>(file)), {});
  };
  // The line of the refused one may come after its answer.
  ASSERT_TRUE(testing::WaitUntil([&] { return log_of("edge").find(R"("status":"400")") != std::string::npos; }));
  for (const char* daemon : kDaemons) {
    const std::string log = log_of(daemon);
    EXPECT_NE(log, "") << daemon;
    for (const char* number : {"4242424242424242", "4242 4242 4242 4242", "378282246310005", "5555555555554444"}) {
      EXPECT_EQ(log.find(number), std::string::npos) << daemon << " logs " << number;
    }
  }
}

}  // namespace
}  // namespace billmesh
