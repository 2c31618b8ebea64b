#include <algorithm>
#include <charconv>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

bool IsOver(const std::string& status) { return status == "canceled" || status == "incomplete_expired"; }

// A timestamp parameter that also takes words ("now").
int64_t Timestamp(World& w, const Json& params, const char* name) {
  const std::string text = Str(params, name);
  if (text == "now") return w.Now();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Invalid("parameter_invalid_integer", name, "Invalid integer: " + text);
  }
  return value;
}

void ApplyCancellation(World& w, Object& sub, const Json& params) {
  Json& json = sub.json;
  if (params.contains("cancel_at_period_end")) {
    const bool at_end = Bool(params, "cancel_at_period_end");
    const bool ended_with_period = Bool(json, "cancel_at_period_end");
    json["cancel_at_period_end"] = at_end;
    // An end on another date is a setting of its own, which stays.
    if (at_end || ended_with_period) {
      json["cancel_at"] = at_end ? Json(CurrentPeriodEnd(json)) : Json(nullptr);
      json["canceled_at"] = at_end ? Json(w.Now()) : Json(nullptr);
      json["cancellation_details"]["reason"] = at_end ? Json("cancellation_requested") : Json(nullptr);
    }
  }
  if (params.contains("cancel_at")) {
    const bool clear = params["cancel_at"].is_null();
    int64_t at = 0;
    if (!clear) {
      const std::string text = Str(params, "cancel_at");
      at = text == "min_period_end" || text == "max_period_end" ? CurrentPeriodEnd(json)
                                                                : Timestamp(w, params, "cancel_at");
      if (at <= w.Now()) {
        throw Invalid("", "cancel_at", "The timestamp for `cancel_at` must be in the future.");
      }
    }
    json["cancel_at"] = clear ? Json(nullptr) : Json(at);
    json["cancel_at_period_end"] = false;
    json["canceled_at"] = clear ? Json(nullptr) : Json(w.Now());
    json["cancellation_details"]["reason"] = clear ? Json(nullptr) : Json("cancellation_requested");
  }
  CopyParams(json["cancellation_details"], At(params, "cancellation_details"), {"comment", "feedback"});
}

void ApplyTrialEnd(World& w, Object& sub, const Json& params) {
  if (!Has(params, "trial_end")) return;
  const int64_t at = Timestamp(w, params, "trial_end");
  if (at < w.Now()) {
    throw Invalid("", "trial_end",
                  "Invalid timestamp: must be an integer Unix timestamp in the "
                  "future.");
  }
  const bool now = at == w.Now();
  sub.json["trial_end"] = at;
  if (!Has(sub.json, "trial_start")) sub.json["trial_start"] = w.Now();
  sub.json["billing_cycle_anchor"] = at;
  sub.json["status"] = "trialing";
  for (Json& item : sub.json["items"]["data"]) {
    item["current_period_end"] = at;
    if (now) item["current_period_start"] = std::min(w.Now(), Int(item, "current_period_start"));
  }
}

void CheckMethod(World& w, const std::string& method, const std::string& customer) {
  if (method.empty()) return;
  const Object& found = Require(w, "payment_method", method, "default_payment_method");
  if (Str(found.json, "customer") != customer) {
    throw Refused("The customer does not have a payment method with the ID " + method +
                      ". The payment method must be attached to the customer.",
                  "default_payment_method", "resource_missing");
  }
}

Json ResolvedItems(World& w, const Json& params, const std::string& status_of_refusal) {
  Json items = Json::array();
  size_t index = 0;
  for (const Json& wanted : params["items"]) {
    const std::string param = "items[" + std::to_string(index++) + "]";
    std::string price = Has(wanted, "price") ? Str(wanted, "price") : Str(wanted, "plan");
    if (price.empty() && Has(wanted, "price_data")) {
      price = Str(CreateInlinePrice(w, wanted["price_data"], param + "[price_data]"), "id");
    }
    if (price.empty()) throw MissingParam(param + "[price]");
    const Json& found = Require(w, "price", price, param + "[price]").json;
    if (Str(found, "type") != "recurring") {
      throw Refused(
          "The price specified is set to `type=one_time` but this field only accepts "
          "prices with `type=recurring`.",
          param + "[price]");
    }
    if (!Bool(found, "active") && !Has(wanted, "price_data")) {
      throw Refused("The price specified is inactive. This field only accepts active prices.", param + "[price]");
    }
    if (Int(wanted, "quantity", 1) < 0) {
      throw Invalid("parameter_invalid_integer", param + "[quantity]",
                    "This value must be greater than or equal to 0.");
    }
    items.push_back({{"price", price},
                     {"quantity", Int(wanted, "quantity", 1)},
                     {"metadata", Or(wanted, "metadata", Json::object())}});
  }
  if (items.empty()) throw MissingParam(status_of_refusal);
  return items;
}

}  // namespace

void RefuseIfOver(const Object& sub) {
  if (!IsOver(Str(sub.json, "status"))) return;
  throw Refused("A canceled subscription can only update its cancellation_details and metadata.", "",
                "invalid_canceled_subscription_fields");
}

Json CreateSubscription(Call& call) {
  World& w = call.w;
  const Json& p = call.p;
  NewSubscription order;
  order.customer = Str(p, "customer");
  Require(w, "customer", order.customer, "customer");
  order.default_payment_method = Str(p, "default_payment_method");
  CheckMethod(w, order.default_payment_method, order.customer);
  order.items = ResolvedItems(w, p, "items");
  order.metadata = Or(p, "metadata", Json::object());
  order.description = Or(p, "description", nullptr);
  order.trial_settings = Or(p, "trial_settings", nullptr);
  order.billing_cycle_anchor = Int(p, "billing_cycle_anchor");
  if (Int(p, "trial_period_days") > 0) order.trial_end = w.Now() + Int(p, "trial_period_days") * kDay;
  if (Has(p, "trial_end") && Str(p, "trial_end") != "now") {
    order.trial_end = Timestamp(w, p, "trial_end");
  }
  if (Str(p, "collection_method") == "send_invoice") {
    if (!Has(p, "days_until_due")) throw MissingParam("days_until_due");
    order.days_until_due = p["days_until_due"];
  }
  const std::string payment_behavior = Str(p, "payment_behavior");
  order.attempt = payment_behavior != "default_incomplete";
  const Json& customer = Require(w, "customer", order.customer, "customer").json;
  std::string method = order.default_payment_method;
  if (method.empty()) method = Str(At(customer, "invoice_settings"), "default_payment_method");
  if (order.attempt && order.trial_end == 0 && order.days_until_due.is_null() && method.empty()) {
    throw Refused(
        "This customer has no attached payment source or default payment method. Please "
        "consider adding a default payment method.",
        "", "resource_missing");
  }
  if (payment_behavior == "error_if_incomplete" && order.trial_end == 0) {
    const auto decline = CardDecline(w, method);
    const PaymentBehavior behavior = w.BehaviorOf(order.customer);
    if (decline || behavior.decline) {
      throw CardDeclined(decline ? *decline : behavior.decline_code, "");
    }
  }
  Object& sub = StartSubscription(w, order);
  if (p.contains("cancel_at_period_end") || Has(p, "cancel_at")) {
    ApplyCancellation(w, sub, p);
    ScheduleSubscription(w, sub);
  }
  return sub.json;
}

Json GetSubscription(Call& call) { return Require(call.w, "subscription", call.ids[0]).json; }

Json UpdateSubscription(Call& call) {
  World& w = call.w;
  Object& sub = Require(w, "subscription", call.ids[0]);
  for (const auto& [name, value] : call.p.items()) {
    if (name != "metadata" && name != "cancellation_details" && name != "expand") RefuseIfOver(sub);
  }
  CheckMethod(w, Str(call.p, "default_payment_method"), Str(sub.json, "customer"));
  Change change(w, sub);
  CopyParams(sub.json, call.p,
             {"collection_method", "days_until_due", "default_payment_method", "description", "trial_settings"});
  ApplyMetadata(sub.json, call.p);
  if (call.p.contains("pause_collection")) {
    const Json& pause = call.p["pause_collection"];
    sub.json["pause_collection"] =
        pause.is_null() ? Json(nullptr)
                        : Json{{"behavior", Str(pause, "behavior")}, {"resumes_at", Or(pause, "resumes_at", nullptr)}};
  }
  ApplyTrialEnd(w, sub, call.p);
  ApplyCancellation(w, sub, call.p);
  if (call.p.contains("items")) {
    std::string behavior = Str(call.p, "proration_behavior");
    ApplyItems(w, sub, call.p["items"], behavior.empty() ? "create_prorations" : behavior);
  }
  change.Emit("customer.subscription.updated");
  ScheduleSubscription(w, sub);
  w.Effect("updated", sub);
  return sub.json;
}

Json ListSubscriptions(Call& call) {
  const std::string status = Str(call.p, "status");
  const std::string price = Has(call.p, "price") ? Str(call.p, "price") : Str(call.p, "plan");
  return ListObjects(call, "subscription", "/v1/subscriptions", {"customer", "collection_method"},
                     [&](const Object& sub) {
                       const std::string own = Str(sub.json, "status");
                       const bool ended = own == "canceled" || own == "incomplete_expired";
                       // Without a status Stripe leaves out what is canceled.
                       if (status.empty() && own == "canceled") return false;
                       if (status == "ended" && !ended) return false;
                       if (!status.empty() && status != "all" && status != "ended" && own != status) return false;
                       bool price_found = price.empty();
                       for (const Json& item : sub.json["items"]["data"]) {
                         price_found = price_found || Str(At(item, "price"), "id") == price;
                       }
                       return price_found && InRange(At(call.p, "current_period_end"), CurrentPeriodEnd(sub.json));
                     });
}

Json CancelSubscription(Call& call) {
  World& w = call.w;
  Object& sub = Require(w, "subscription", call.ids[0]);
  // A second cancellation finds nothing to cancel.
  if (IsOver(Str(sub.json, "status"))) throw ResourceMissing("subscription", call.ids[0]);
  CopyParams(sub.json["cancellation_details"], At(call.p, "cancellation_details"), {"comment", "feedback"});
  sub.json["cancel_at_period_end"] = false;
  sub.json["cancel_at"] = nullptr;
  sub.json["canceled_at"] = w.Now();
  EndSubscription(w, sub, "cancellation_requested");
  return sub.json;
}

Json PauseSubscription(Call& call) {
  World& w = call.w;
  Object& sub = Require(w, "subscription", call.ids[0]);
  RefuseIfOver(sub);
  const std::string status = Str(sub.json, "status");
  if (status != "active" && status != "trialing") {
    throw Refused("You can only pause a subscription that is active or trialing; this one is " + status + ".");
  }
  Change change(w, sub);
  sub.json["status"] = "paused";
  change.Emit("customer.subscription.updated");
  w.Emit("customer.subscription.paused", sub);
  return sub.json;
}

Json ResumeSubscription(Call& call) {
  World& w = call.w;
  Object& sub = Require(w, "subscription", call.ids[0]);
  if (Str(sub.json, "status") != "paused") {
    throw Refused("Only paused subscriptions can be resumed; this one is " + Str(sub.json, "status") + ".");
  }
  Change change(w, sub);
  sub.json["status"] = "active";
  if (Str(call.p, "billing_cycle_anchor") != "unchanged" || CurrentPeriodEnd(sub.json) <= w.Now()) {
    sub.json["billing_cycle_anchor"] = w.Now();
    for (Json& item : sub.json["items"]["data"]) {
      item["current_period_start"] = w.Now();
      item["current_period_end"] = PeriodEnd(At(item, "price"), w.Now(), w.Now());
    }
    Object& invoice = DraftInvoice(w, sub, "subscription_cycle", false);
    sub.json["latest_invoice"] = invoice.id;
    FinalizeInvoice(w, invoice);
    CollectInvoiceByDefault(w, invoice);
  }
  change.Emit("customer.subscription.updated");
  w.Emit("customer.subscription.resumed", sub);
  ScheduleSubscription(w, sub);
  return sub.json;
}

}  // namespace stripesim
