// How a subscription comes into being, for the API and for checkout alike.

#include <algorithm>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr int64_t kIncompleteLifeS = 23 * 3600;

Json BaseSubscription(World& w, const NewSubscription& order) {
  const int64_t now = w.Now();
  Json sub = NewObject(w, "subscription");
  sub["application"] = nullptr;
  sub["application_fee_percent"] = nullptr;
  sub["automatic_tax"] = Json{{"disabled_reason", nullptr}, {"enabled", false}, {"liability", nullptr}};
  sub["billing_cycle_anchor"] = order.billing_cycle_anchor != 0 ? order.billing_cycle_anchor
                                : order.trial_end != 0          ? order.trial_end
                                                                : now;
  sub["billing_cycle_anchor_config"] = nullptr;
  sub["billing_mode"] = Json{{"flexible", {{"proration_discounts", "included"}}}, {"type", "flexible"}};
  sub["billing_schedules"] = Json::array();
  sub["billing_thresholds"] = nullptr;
  sub["cancel_at"] = nullptr;
  sub["cancel_at_period_end"] = false;
  sub["canceled_at"] = nullptr;
  sub["cancellation_details"] = Json{{"comment", nullptr}, {"feedback", nullptr}, {"reason", nullptr}};
  sub["collection_method"] = order.days_until_due.is_null() ? "charge_automatically" : "send_invoice";
  sub["created"] = now;
  sub["currency"] = "usd";
  sub["customer"] = order.customer;
  sub["customer_account"] = nullptr;
  sub["days_until_due"] = order.days_until_due;
  sub["default_payment_method"] =
      order.default_payment_method.empty() ? Json(nullptr) : Json(order.default_payment_method);
  sub["default_source"] = nullptr;
  sub["default_tax_rates"] = Json::array();
  sub["description"] = order.description;
  sub["discounts"] = Json::array();
  sub["ended_at"] = nullptr;
  sub["invoice_settings"] = Json{{"account_tax_ids", nullptr},
                                 {"custom_fields", nullptr},
                                 {"description", nullptr},
                                 {"footer", nullptr},
                                 {"issuer", {{"type", "self"}}}};
  sub["items"] = nullptr;
  sub["latest_invoice"] = nullptr;
  sub["livemode"] = w.options.livemode;
  sub["managed_payments"] = Json{{"enabled", false}};
  sub["metadata"] = order.metadata;
  sub["next_pending_invoice_item_invoice"] = nullptr;
  sub["on_behalf_of"] = nullptr;
  sub["pause_collection"] = nullptr;
  sub["payment_settings"] = Json{
      {"payment_method_options", nullptr}, {"payment_method_types", nullptr}, {"save_default_payment_method", "off"}};
  sub["pending_invoice_item_interval"] = nullptr;
  sub["pending_setup_intent"] = nullptr;
  sub["pending_update"] = nullptr;
  sub["schedule"] = nullptr;
  sub["start_date"] = now;
  sub["status"] = order.trial_end != 0 ? "trialing" : "incomplete";
  sub["test_clock"] = nullptr;
  sub["transfer_data"] = nullptr;
  sub["trial_end"] = order.trial_end != 0 ? Json(order.trial_end) : Json(nullptr);
  sub["trial_settings"] = order.trial_settings.is_null()
                              ? Json{{"end_behavior", {{"missing_payment_method", "create_invoice"}}}}
                              : order.trial_settings;
  sub["trial_start"] = order.trial_end != 0 ? Json(now) : Json(nullptr);
  return sub;
}

void FillItems(World& w, Json& sub, const NewSubscription& order) {
  const int64_t now = w.Now();
  const int64_t anchor = Int(sub, "billing_cycle_anchor");
  const std::string id = Str(sub, "id");
  Json data = Json::array();
  for (const Json& wanted : order.items) {
    const Json& price = Require(w, "price", Str(wanted, "price"), "items").json;
    const int64_t end = order.trial_end != 0 ? order.trial_end : PeriodEnd(price, anchor, now);
    data.push_back(MakeItem(w, id, price, Int(wanted, "quantity", 1), At(wanted, "metadata"), now, end));
    sub["currency"] = Str(price, "currency");
  }
  const int64_t count = static_cast<int64_t>(data.size());
  sub["items"] = MakeList("/v1/subscription_items?subscription=" + id, std::move(data));
  sub["items"]["total_count"] = count;
}

void SetCustomerCurrency(World& w, const std::string& id, const std::string& currency) {
  Object* customer = w.store.Find("customer", id);
  if (customer == nullptr || Has(customer->json, "currency")) return;
  Change change(w, *customer);
  customer->json["currency"] = currency;
  change.Emit("customer.updated");
}

}  // namespace

int64_t PeriodEnd(const Json& price, int64_t anchor, int64_t start) {
  const Json& recurring = At(price, "recurring");
  const std::string interval = Has(recurring, "interval") ? Str(recurring, "interval") : "month";
  const int64_t count = std::max<int64_t>(1, Int(recurring, "interval_count", 1));
  // A first guess from the average length, then along the grid: anchors lie at most years back.
  int64_t n = 0;
  const int64_t longest = (interval == "day"     ? 1
                           : interval == "week"  ? 7
                           : interval == "month" ? 31
                                                 : 366) *
                          86400 * count;
  if (start > anchor) n = (start - anchor) / longest;
  while (AddIntervals(anchor, interval, n * count) > start) --n;
  while (AddIntervals(anchor, interval, n * count) <= start) ++n;
  return AddIntervals(anchor, interval, n * count);
}

int64_t CurrentPeriodEnd(const Json& sub) {
  int64_t end = INT64_MAX;
  for (const Json& item : At(At(sub, "items"), "data")) {
    end = std::min(end, Int(item, "current_period_end"));
  }
  return end;
}

Json MakeItem(World& w, const std::string& subscription, const Json& price, int64_t quantity, const Json& metadata,
              int64_t period_start, int64_t period_end) {
  Json item = NewObject(w, "subscription_item");
  item["billing_thresholds"] = nullptr;
  item["created"] = w.Now();
  item["current_period_end"] = period_end;
  item["current_period_start"] = period_start;
  item["current_trial"] = nullptr;
  item["discounts"] = Json::array();
  item["metadata"] = metadata.is_object() ? metadata : Json::object();
  item["plan"] = PlanOf(price);
  item["price"] = price;
  if (!IsMetered(price)) item["quantity"] = quantity;
  item["subscription"] = subscription;
  item["tax_rates"] = Json::array();
  w.item_owner[Str(item, "id")] = subscription;
  return item;
}

Object& StartSubscription(World& w, const NewSubscription& order) {
  Json base = BaseSubscription(w, order);
  FillItems(w, base, order);
  SetCustomerCurrency(w, order.customer, Str(base, "currency"));
  const bool sent = !order.days_until_due.is_null();
  if (sent && order.trial_end == 0) base["status"] = "active";
  Object& sub = w.store.Insert(std::move(base));
  w.ledger.Count("subscriptions");
  w.ledger.NoteEffect(w.actor.key, "subscriptions");

  Object& invoice = DraftInvoice(w, sub, "subscription_create", order.trial_end != 0);
  sub.json["latest_invoice"] = invoice.id;
  w.Effect("created", sub);
  w.Emit("customer.subscription.created", sub);
  FinalizeInvoice(w, invoice);
  if (sent && Int(invoice.json, "amount_due") > 0) {
    w.Emit("invoice.sent", invoice);
  } else {
    const bool paid = CollectInvoice(w, invoice, DefaultMethod(w, sub), order.attempt);
    SubscriptionAfterInvoice(w, invoice, paid);
  }
  if (Str(sub.json, "status") == "incomplete") {
    w.timers.Add(w.Now() + kIncompleteLifeS, {Timer::Kind::kIncompleteExpiry, sub.id});
  }
  ScheduleSubscription(w, sub);
  return sub;
}

}  // namespace stripesim
