#include "tests/fault/projection_columns.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace billmesh::convergence {
namespace {

using Json = Oracle::Json;

auto Member(const std::string& name) {
  return [name](const Oracle&, const Json& object) { return SayMember(object, name); };
}
auto Metadata(const std::string& name) {
  return [name](const Oracle&, const Json& object) { return SayMember(MemberOf(object, "metadata"), name); };
}
auto Always(const std::string& text) {
  return [text](const Oracle&, const Json&) { return text; };
}

// Ours, where it is the life's customer; one that nobody knows isn't kept.
std::string LinkedCustomer(const Oracle& oracle, const Json& object) {
  return SayMember(object, "customer") == oracle.life().customer_id ? oracle.life().customer_id : kNothing;
}

std::string Items(const Oracle&, const Json& subscription) {
  std::vector<std::string> items;
  for (const Json& item : MemberOf(MemberOf(subscription, "items"), "data")) {
    items.push_back(absl::StrCat(SayMember(item, "id"), "/", SayMember(MemberOf(item, "price"), "id"), "/",
                                 SayMember(item, "quantity"), "/", SayMember(item, "current_period_start"), "/",
                                 SayMember(item, "current_period_end")));
  }
  std::sort(items.begin(), items.end());
  return absl::StrJoin(items, ",");
}

std::map<std::string, Json> AllOf(const Oracle& oracle, const std::string& kind) { return oracle.All(kind); }
auto OfKind(const std::string& kind) {
  return [kind](const Oracle& oracle) { return AllOf(oracle, kind); };
}

// --- Sessions: what is left is decided by both sides.

const LifeOperation* OperationOf(const Oracle& oracle, const Json& session) {
  for (const LifeOperation& operation : oracle.life().operations) {
    if (operation.session_id == SayMember(session, "id")) return &operation;
  }
  return nullptr;
}

std::map<std::string, Json> Checkouts(const Oracle& oracle) {
  std::map<std::string, Json> sessions;
  for (const LifeOperation& operation : oracle.life().operations) {
    if (operation.action == "checkout") sessions[operation.key] = oracle.Find("checkout_session", operation.session_id);
  }
  return sessions;
}

bool EndedHere(const Oracle& oracle, const Json& session) {
  const StoredSession stored = OperationOf(oracle, session)->stored;
  return stored == StoredSession::kAbandoned || stored == StoredSession::kExpired;
}

std::string SessionStatus(const Oracle& oracle, const Json& session) {
  const StoredSession stored = OperationOf(oracle, session)->stored;
  if (stored == StoredSession::kAbandoned) return "abandoned";
  if (stored == StoredSession::kExpired || SayMember(session, "status") == "expired") return "expired";
  return "completed_reconciled";
}

std::string Plan(const Oracle& oracle, const Json&) { return oracle.life().plan; }

std::string PaidLate(const Oracle& oracle, const Json& session) {
  return EndedHere(oracle, session) && SayMember(session, "status") == "complete" ? "yes" : kNothing;
}

// --- Duplicates that still are

std::map<std::string, Json> LiveDuplicates(const Oracle& oracle) {
  std::map<std::string, Json> duplicates;
  for (const auto& [id, subscription] : oracle.All("subscription")) {
    if (Lives(subscription) && id != oracle.canonical()) duplicates[id] = subscription;
  }
  return duplicates;
}

std::string IsCurrent(const Oracle& oracle, const Json& subscription) {
  return SayMember(subscription, "id") == oracle.canonical() ? "true" : "false";
}
std::string CollectionPaused(const Oracle&, const Json& subscription) {
  return MemberOf(subscription, "pause_collection").is_null() ? "false" : "true";
}
std::string SubscriptionOfInvoice(const Oracle&, const Json& invoice) {
  return SayMember(MemberOf(MemberOf(invoice, "parent"), "subscription_details"), "subscription");
}

// --- The tables

ProjectedTable Subscriptions() {
  return {
      "subscription",
      "billing.subscriptions t",
      "t.provider_subscription_id",
      "t.provider_event_id || ' ' || extract(epoch FROM t.provider_updated_at)::bigint",
      OfKind("subscription"),
      {{"status", "t.status", Member("status")},
       {"current", "t.is_current", IsCurrent},
       {"customer", "t.provider_customer_id", Member("customer")},
       {"operation", "t.operation_key", Metadata("billmesh_operation_key")},
       {"at_period_end", "t.cancel_at_period_end", Member("cancel_at_period_end")},
       {"cancel_at", "extract(epoch FROM t.cancel_at)::bigint", Member("cancel_at")},
       {"canceled_at", "extract(epoch FROM t.canceled_at)::bigint", Member("canceled_at")},
       {"ended_at", "extract(epoch FROM t.ended_at)::bigint", Member("ended_at")},
       {"trial_start", "extract(epoch FROM t.trial_start)::bigint", Member("trial_start")},
       {"trial_end", "extract(epoch FROM t.trial_end)::bigint", Member("trial_end")},
       {"created", "extract(epoch FROM t.provider_subscription_created_at)::bigint", Member("created")},
       {"invoice", "t.latest_invoice_id", Member("latest_invoice")},
       {"collection_paused", "t.collection_paused", CollectionPaused},
       {"items",
        "(SELECT string_agg(concat_ws('/', i.provider_item_id, i.provider_price_id, coalesce(i.quantity::text, '-'), "
        "coalesce(extract(epoch FROM i.current_period_start)::bigint::text, '-'), "
        "coalesce(extract(epoch FROM i.current_period_end)::bigint::text, '-')), ',' "
        "ORDER BY i.provider_item_id COLLATE \"C\") FROM billing.subscription_items i WHERE i.subscription_id = t.id)",
        Items}}};
}

ProjectedTable Sessions() {
  return {"session",
          "billing.checkout_sessions t",
          "t.operation_key",
          nullptr,
          Checkouts,
          {{"id", "t.provider_session_id", Member("id")},
           {"status", "t.status", SessionStatus},
           {"mode", "t.mode", Member("mode")},
           {"customer", "t.provider_customer_id", Member("customer")},
           {"subscription", "t.provider_subscription_id", Member("subscription")},
           {"plan", "t.plan_code || '/' || t.plan_version", Plan},
           {"url", "t.url", Member("url")},
           {"expires_at", "extract(epoch FROM t.expires_at)::bigint", Member("expires_at")},
           {"paid_late", "CASE WHEN t.late_paid_at IS NOT NULL THEN 'yes' END", PaidLate}}};
}

ProjectedTable Invoices() {
  return {"invoice",
          "billing.invoices t",
          "t.provider_invoice_id",
          "t.provider_event_id || ' ' || extract(epoch FROM t.provider_updated_at)::bigint",
          OfKind("invoice"),
          {{"status", "t.status", Member("status")},
           {"customer", "t.provider_customer_id", LinkedCustomer},
           {"subscription", "t.provider_subscription_id", SubscriptionOfInvoice},
           {"number", "t.number", Member("number")},
           {"currency", "t.currency", Member("currency")},
           {"total", "t.total_minor", Member("total")},
           {"due", "t.amount_due_minor", Member("amount_due")},
           {"paid", "t.amount_paid_minor", Member("amount_paid")},
           {"remaining", "t.amount_remaining_minor", Member("amount_remaining")},
           {"attempts", "t.attempt_count", Member("attempt_count")},
           {"reason", "t.billing_reason", Member("billing_reason")},
           {"from", "extract(epoch FROM t.period_start)::bigint", Member("period_start")},
           {"to", "extract(epoch FROM t.period_end)::bigint", Member("period_end")},
           {"created", "extract(epoch FROM t.provider_created_at)::bigint", Member("created")},
           {"url", "t.hosted_invoice_url", Member("hosted_invoice_url")}}};
}

ProjectedTable Remediations() {
  return {"remediation",
          "billing.remediations t JOIN billing.subscriptions s USING (provider, provider_subscription_id) "
          "WHERE NOT s.is_current AND s.status NOT IN ('canceled', 'incomplete_expired')",
          "t.provider_subscription_id",
          nullptr,
          LiveDuplicates,
          {{"kind", "t.kind", Always("cancel_duplicate_subscription")},
           {"status", "t.status", Always("ready")},
           {"algorithm", "t.algorithm", Always("dup_canonical_v1")}}};
}

}  // namespace

const Json& MemberOf(const Json& object, const std::string& name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto at = object.find(name);
  return at == object.end() ? kNull : *at;
}

std::string SayMember(const Json& object, const std::string& name) {
  const Json& value = MemberOf(object, name);
  if (value.is_null()) return kNothing;
  return value.is_string() ? value.get<std::string>() : value.dump();
}

bool Lives(const Json& subscription) {
  const std::string status = SayMember(subscription, "status");
  return status != "canceled" && status != "incomplete_expired";
}

Oracle::Oracle(const Life& life) : life_(life) {
  for (const LifeObject& object : life.present.objects) objects_[object.kind][object.id] = Json::parse(object.json);
  std::tuple<bool, int64_t, std::string> least;
  for (const auto& [id, subscription] : All("subscription")) {
    if (!Lives(subscription)) continue;
    const std::tuple<bool, int64_t, std::string> rank{SayMember(subscription, "status") == "incomplete",
                                                      MemberOf(subscription, "created").get<int64_t>(), id};
    if (canonical_.empty() || rank < least) {
      least = rank;
      canonical_ = id;
    }
  }
}

const std::map<std::string, Json>& Oracle::All(const std::string& kind) const {
  static const auto* const kNone = new std::map<std::string, Json>();
  const auto at = objects_.find(kind);
  return at == objects_.end() ? *kNone : at->second;
}

const Json& Oracle::Find(const std::string& kind, const std::string& id) const {
  static const Json kNull;
  const auto& all = All(kind);
  const auto at = all.find(id);
  return at == all.end() ? kNull : at->second;
}

const std::vector<ProjectedTable>& ProjectedTables() {
  static const auto* const kTables = [] {
    auto* tables = new std::vector<ProjectedTable>{Subscriptions(), Sessions(), Invoices(), Remediations()};
    for (ProjectedTable& table : MoneyTables()) tables->push_back(std::move(table));
    return tables;
  }();
  return *kTables;
}

}  // namespace billmesh::convergence
