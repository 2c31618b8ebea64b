// The tables of customers, how they pay, and what becomes of payments.
#include "tests/fault/projection_columns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace billmesh::convergence {
namespace {

using Json = Oracle::Json;

constexpr char kVersion[] = "t.provider_event_id || ' ' || extract(epoch FROM t.provider_updated_at)::bigint";

bool IsOurs(const Oracle& oracle, const Json& object) {
  return SayMember(object, "customer") == oracle.life().customer_id;
}
bool HasOurKey(const Json& object) {
  return !MemberOf(MemberOf(object, "metadata"), "billmesh_operation_key").is_null();
}

// --- Customers: ours alone; who pays a link is nobody that we know.

std::map<std::string, Json> OurCustomer(const Oracle& oracle) {
  const std::string& id = oracle.life().customer_id;
  return {{id, oracle.Find("customer", id)}};
}
std::string IsDeleted(const Oracle&, const Json& customer) {
  return SayMember(customer, "deleted") == "true" ? "yes" : kNothing;
}
std::string DefaultMethod(const Oracle&, const Json& customer) {
  return SayMember(MemberOf(customer, "invoice_settings"), "default_payment_method");
}

// --- Payment methods, the detached ones too: whose they were, the event says that attached them.

std::map<std::string, Json> OurMethods(const Oracle& oracle) {
  std::map<std::string, Json> methods;
  for (const LifeEvent& event : oracle.life().events) {
    if (event.type != "payment_method.attached") continue;
    const Json attached = Json::parse(event.bodies[0])["data"]["object"];
    if (IsOurs(oracle, attached)) methods[event.object_id] = oracle.Find("payment_method", event.object_id);
  }
  return methods;
}
auto OfCard(const std::string& name) {
  return [name](const Oracle&, const Json& method) { return SayMember(MemberOf(method, "card"), name); };
}
std::string IsDetached(const Oracle&, const Json& method) {
  return MemberOf(method, "customer").is_null() ? "yes" : kNothing;
}
std::string Customer(const Oracle& oracle, const Json&) { return oracle.life().customer_id; }
std::string OurCustomerOnly(const Oracle& oracle, const Json& object) {
  return IsOurs(oracle, object) ? oracle.life().customer_id : kNothing;
}

// --- Payments

std::map<std::string, Json> OurPayments(const Oracle& oracle) {
  std::map<std::string, Json> payments;
  for (const auto& [id, payment] : oracle.All("payment")) {
    if (IsOurs(oracle, payment) || HasOurKey(payment)) payments[id] = payment;
  }
  return payments;
}

const Json& LatestCharge(const Oracle& oracle, const Json& payment) {
  return oracle.Find("charge", SayMember(payment, "latest_charge"));
}

std::string PaymentStatus(const Oracle&, const Json& payment) {
  const std::string status = SayMember(payment, "status");
  if (status == "succeeded" || status == "canceled") return status;
  return MemberOf(payment, "last_payment_error").is_null() ? "pending" : "failed";
}

std::string Failure(const Oracle& oracle, const Json& payment) {
  const std::string status = PaymentStatus(oracle, payment);
  if (status != "failed" && status != "canceled") return kNothing;
  const Json& error = MemberOf(payment, "last_payment_error");
  const std::string declined = SayMember(error, "decline_code");
  return declined == kNothing ? SayMember(error, "code") : declined;
}

// Until it's paid no event of the pinned shape says which invoice it is for.
std::string PaidInvoice(const Oracle& oracle, const Json& payment) {
  if (SayMember(payment, "status") != "succeeded") return kNothing;
  for (const auto& [id, paid] : oracle.All("invoice_payment")) {
    if (SayMember(MemberOf(paid, "payment"), "payment_intent") == SayMember(payment, "id")) {
      return SayMember(paid, "invoice");
    }
  }
  return kNothing;
}

auto OfCharge(const std::string& name) {
  return [name](const Oracle& oracle, const Json& payment) { return SayMember(LatestCharge(oracle, payment), name); };
}
std::string Refunded(const Oracle& oracle, const Json& payment) {
  const Json& charge = LatestCharge(oracle, payment);
  return charge.is_null() ? "0" : SayMember(charge, "amount_refunded");
}
std::string SucceededAt(const Oracle& oracle, const Json& payment) {
  return SayMember(payment, "status") == "succeeded" ? SayMember(LatestCharge(oracle, payment), "created") : kNothing;
}
std::string CanceledAt(const Oracle&, const Json& payment) {
  return SayMember(payment, "status") == "canceled" ? SayMember(payment, "canceled_at") : kNothing;
}
std::string OperationKey(const Oracle&, const Json& payment) {
  return SayMember(MemberOf(payment, "metadata"), "billmesh_operation_key");
}

// --- What comes of payments and invoices that are ours

auto Belonging(const std::string& kind, const std::string& member,
               std::map<std::string, Json> (*owners)(const Oracle&)) {
  return [kind, member, owners](const Oracle& oracle) {
    std::map<std::string, Json> found;
    const auto ours = owners(oracle);
    for (const auto& [id, object] : oracle.All(kind)) {
      if (ours.count(SayMember(object, member)) > 0) found[id] = object;
    }
    return found;
  };
}

std::map<std::string, Json> Invoices(const Oracle& oracle) { return oracle.All("invoice"); }

std::string DisputeStatus(const Oracle&, const Json& dispute) {
  const std::string status = SayMember(dispute, "status");
  if (status == "won" || status == "lost") return status;
  return status == "warning_closed" || status == "prevented" ? "closed" : "open";
}

auto Member(const std::string& name) {
  return [name](const Oracle&, const Json& object) { return SayMember(object, name); };
}

std::string Seconds(const char* column) { return absl::StrCat("extract(epoch FROM t.", column, ")::bigint"); }

ProjectedTable CustomersTable() {
  return {"customer",
          "billing.customers t",
          "t.provider_customer_id",
          kVersion,
          OurCustomer,
          {{"default", "t.provider_default_payment_method_id", DefaultMethod},
           {"deleted", "CASE WHEN t.deleted_at IS NOT NULL THEN 'yes' END", IsDeleted}}};
}

ProjectedTable MethodsTable() {
  return {"payment_method",
          "billing.payment_methods t",
          "t.provider_payment_method_id",
          kVersion,
          OurMethods,
          {{"customer", "t.provider_customer_id", Customer},
           {"type", "t.type", Member("type")},
           {"brand", "t.brand", OfCard("brand")},
           {"last4", "t.last4", OfCard("last4")},
           {"month", "t.exp_month", OfCard("exp_month")},
           {"year", "t.exp_year", OfCard("exp_year")},
           {"wallet", "t.wallet", OfCard("wallet")},
           {"created", Seconds("provider_created_at"), Member("created")},
           {"detached", "CASE WHEN t.detached_at IS NOT NULL THEN 'yes' END", IsDetached}}};
}

ProjectedTable PaymentsTable() {
  return {"payment",
          "billing.payments t",
          "t.provider_payment_id",
          "concat_ws(' ', t.provider_event_id, extract(epoch FROM t.provider_updated_at)::bigint, t.charge_event_id, "
          "extract(epoch FROM t.charge_updated_at)::bigint)",
          OurPayments,
          {{"status", "t.status", PaymentStatus},
           {"customer", "t.provider_customer_id", OurCustomerOnly},
           {"invoice", "CASE WHEN t.status = 'succeeded' THEN t.provider_invoice_id END", PaidInvoice},
           {"charge", "t.provider_charge_id", Member("latest_charge")},
           {"named_charge", "t.provider_latest_charge_id", Member("latest_charge")},
           {"charge_status", "t.charge_status", OfCharge("status")},
           {"charged_at", Seconds("charge_created_at"), OfCharge("created")},
           {"currency", "t.currency", Member("currency")},
           {"amount", "t.amount_minor", Member("amount")},
           {"refunded", "t.amount_refunded_minor", Refunded},
           {"failure", "t.failure_code", Failure},
           {"operation", "t.operation_key", OperationKey},
           {"created", Seconds("provider_created_at"), Member("created")},
           {"succeeded_at", Seconds("succeeded_at"), SucceededAt},
           {"canceled_at", Seconds("canceled_at"), CanceledAt}}};
}

ProjectedTable RefundsTable() {
  return {"refund",
          "billing.refunds t",
          "t.provider_refund_id",
          kVersion,
          Belonging("refund", "payment_intent", OurPayments),
          {{"payment", "t.provider_payment_id", Member("payment_intent")},
           {"status", "t.status", Member("status")},
           {"currency", "t.currency", Member("currency")},
           {"amount", "t.amount_minor", Member("amount")},
           {"failure", "t.failure_code", Member("failure_reason")},
           {"created", Seconds("provider_created_at"), Member("created")}}};
}

ProjectedTable DisputesTable() {
  return {"dispute",
          "billing.disputes t",
          "t.provider_dispute_id",
          kVersion,
          Belonging("dispute", "payment_intent", OurPayments),
          {{"payment", "t.provider_payment_id", Member("payment_intent")},
           {"status", "t.status", DisputeStatus},
           {"currency", "t.currency", Member("currency")},
           {"amount", "t.amount_minor", Member("amount")},
           {"cause", "t.cause", Member("reason")},
           {"created", Seconds("provider_created_at"), Member("created")}}};
}

ProjectedTable CreditNotesTable() {
  return {"credit_note",
          "billing.credit_notes t",
          "t.provider_credit_note_id",
          kVersion,
          Belonging("credit_note", "invoice", Invoices),
          {{"invoice", "t.provider_invoice_id", Member("invoice")},
           {"number", "t.number", Member("number")},
           {"status", "t.status", Member("status")},
           {"currency", "t.currency", Member("currency")},
           {"total", "t.total_minor", Member("total")},
           {"created", Seconds("provider_created_at"), Member("created")},
           {"voided_at", Seconds("voided_at"), Member("voided_at")}}};
}

}  // namespace

std::vector<ProjectedTable> MoneyTables() {
  return {CustomersTable(), MethodsTable(), PaymentsTable(), RefundsTable(), DisputesTable(), CreditNotesTable()};
}

}  // namespace billmesh::convergence
