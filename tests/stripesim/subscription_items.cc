#include <algorithm>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr size_t kMaxItems = 20;

Json* FindItem(Object& sub, const std::string& id) {
  for (Json& item : sub.json["items"]["data"]) {
    if (Str(item, "id") == id) return &item;
  }
  return nullptr;
}

Object& OwnerOf(World& w, const std::string& item, const std::string& param = "id") {
  auto it = w.item_owner.find(item);
  Object* sub = it == w.item_owner.end() ? nullptr : w.store.Find("subscription", it->second);
  if (sub == nullptr || FindItem(*sub, item) == nullptr) {
    throw ResourceMissing("subscription_item", item, param);
  }
  return *sub;
}

// Remembers what the rest of the running period costs more (or less), for the next invoice.
void Prorate(World& w, Object& sub, const Json& item, int64_t sign) {
  const int64_t start = Int(item, "current_period_start");
  const int64_t end = Int(item, "current_period_end");
  if (Str(sub.json, "status") == "trialing" || end <= start || w.Now() >= end) return;
  if (IsMetered(At(item, "price"))) return;
  const int64_t full = Int(At(item, "price"), "unit_amount") * Int(item, "quantity", 1);
  const auto part = static_cast<int64_t>(static_cast<long double>(full) * (end - w.Now()) / (end - start) + 0.5L);
  if (part == 0) return;
  if (!sub.priv.contains("pending")) sub.priv["pending"] = Json::array();
  sub.priv["pending"].push_back({{"price", At(item, "price")},
                                 {"quantity", Int(item, "quantity", 1)},
                                 {"amount", sign * part},
                                 {"description", sign < 0 ? "Unused time after change" : "Remaining time after change"},
                                 {"item", Str(item, "id")},
                                 {"start", w.Now()},
                                 {"end", end}});
}

std::string PriceParam(World& w, const Json& wanted) {
  if (Has(wanted, "price")) return Str(wanted, "price");
  if (Has(wanted, "plan")) return Str(wanted, "plan");
  if (Has(wanted, "price_data")) {
    return Str(CreateInlinePrice(w, wanted["price_data"], "price_data"), "id");
  }
  return "";
}

const Json& RecurringPrice(World& w, const std::string& id, const Object& sub) {
  const Json& price = Require(w, "price", id, "price").json;
  if (Str(price, "type") != "recurring") {
    throw Refused(
        "The price specified is set to `type=one_time` but this field only accepts prices"
        " with `type=recurring`.",
        "price");
  }
  if (Str(price, "currency") != Str(sub.json, "currency")) {
    throw Refused(
        "The price specified uses a currency that differs from the subscription's (" + Str(sub.json, "currency") + ").",
        "price");
  }
  return price;
}

bool SameInterval(const Json& a, const Json& b) {
  return At(At(a, "recurring"), "interval") == At(At(b, "recurring"), "interval") &&
         At(At(a, "recurring"), "interval_count") == At(At(b, "recurring"), "interval_count");
}

void AddItem(World& w, Object& sub, const Json& wanted, bool prorate) {
  const std::string id = PriceParam(w, wanted);
  if (id.empty()) throw MissingParam("items[price]");
  const Json& price = RecurringPrice(w, id, sub);
  Json& data = sub.json["items"]["data"];
  if (data.size() >= kMaxItems) throw Refused("A subscription can have up to 20 items.");
  for (const Json& item : data) {
    if (Str(At(item, "price"), "id") == id) {
      throw Refused("Cannot add multiple subscription items with the same plan: " + id, "price");
    }
  }
  int64_t start = w.Now();
  int64_t end = PeriodEnd(price, Int(sub.json, "billing_cycle_anchor"), start);
  if (Str(sub.json, "status") == "trialing") end = Int(sub.json, "trial_end");
  // An add-on on the same cycle shares the running period.
  for (const Json& item : data) {
    if (SameInterval(At(item, "price"), price)) {
      start = Int(item, "current_period_start");
      end = Int(item, "current_period_end");
    }
  }
  data.push_back(MakeItem(w, sub.id, price, Int(wanted, "quantity", 1), At(wanted, "metadata"), start, end));
  if (prorate) Prorate(w, sub, data.back(), 1);
}

void ChangeItem(World& w, Object& sub, Json& item, const Json& wanted, bool prorate) {
  const Json before = item;
  const std::string id = PriceParam(w, wanted);
  const bool other_price = !id.empty() && id != Str(At(item, "price"), "id");
  const bool other_quantity = Has(wanted, "quantity") && Int(wanted, "quantity") != Int(item, "quantity", 1);
  bool new_cycle = false;
  if (other_price) {
    const Json& price = RecurringPrice(w, id, sub);
    new_cycle = !SameInterval(At(item, "price"), price);
    item["price"] = price;
    item["plan"] = PlanOf(price);
  }
  if (Has(wanted, "quantity")) {
    if (Int(wanted, "quantity") < 0) {
      throw Invalid("parameter_invalid_integer", "quantity", "This value must be greater than or equal to 0.");
    }
    item["quantity"] = Int(wanted, "quantity");
  }
  if (wanted.contains("metadata")) ApplyMetadata(item, wanted);
  if (!other_price && !other_quantity) return;
  if (prorate) Prorate(w, sub, before, -1);
  if (new_cycle && Str(sub.json, "status") != "trialing") {
    item["current_period_start"] = w.Now();
    item["current_period_end"] = PeriodEnd(At(item, "price"), w.Now(), w.Now());
    if (sub.json["items"]["data"].size() == 1) sub.json["billing_cycle_anchor"] = w.Now();
  }
  if (prorate) Prorate(w, sub, item, 1);
}

void RemoveItem(World& w, Object& sub, const std::string& id, bool prorate) {
  Json& data = sub.json["items"]["data"];
  if (data.size() == 1) {
    throw Refused(
        "A subscription must have at least one active plan. To cancel a subscription, "
        "please use the cancel endpoint.");
  }
  for (size_t i = 0; i < data.size(); ++i) {
    if (Str(data[i], "id") != id) continue;
    if (prorate) Prorate(w, sub, data[i], -1);
    data.erase(i);
    w.item_owner.erase(id);
    return;
  }
}

void BillPending(World& w, Object& sub) {
  if (!sub.priv.contains("pending")) return;
  Object& invoice = DraftInvoice(w, sub, "subscription_update", false);
  sub.json["latest_invoice"] = invoice.id;
  FinalizeInvoice(w, invoice);
  CollectInvoiceByDefault(w, invoice);
}

std::string Behavior(const Call& call) {
  const std::string behavior = Str(call.p, "proration_behavior");
  return behavior.empty() ? "create_prorations" : behavior;
}

}  // namespace

void ApplyItems(World& w, Object& sub, const Json& items, const std::string& proration_behavior) {
  RefuseIfOver(sub);
  const bool prorate = proration_behavior != "none";
  for (const Json& wanted : items) {
    const std::string id = Str(wanted, "id");
    if (id.empty()) {
      AddItem(w, sub, wanted, prorate);
      continue;
    }
    Json* item = FindItem(sub, id);
    if (item == nullptr) throw ResourceMissing("subscription_item", id, "items");
    if (Bool(wanted, "deleted")) {
      RemoveItem(w, sub, id, prorate);
    } else {
      ChangeItem(w, sub, *item, wanted, prorate);
    }
  }
  sub.json["items"]["total_count"] = sub.json["items"]["data"].size();
  if (Bool(sub.json, "cancel_at_period_end")) sub.json["cancel_at"] = CurrentPeriodEnd(sub.json);
  if (proration_behavior == "always_invoice") BillPending(w, sub);
}

Json ListSubscriptionItems(Call& call) {
  Object& sub = Require(call.w, "subscription", Str(call.p, "subscription"), "subscription");
  return Page(call, "/v1/subscription_items", sub.json["items"]["data"]);
}

Json GetSubscriptionItem(Call& call) { return *FindItem(OwnerOf(call.w, call.ids[0]), call.ids[0]); }

Json CreateSubscriptionItem(Call& call) {
  World& w = call.w;
  Object& sub = Require(w, "subscription", Str(call.p, "subscription"), "subscription");
  Change change(w, sub);
  ApplyItems(w, sub, Json::array({call.p}), Behavior(call));
  change.Emit("customer.subscription.updated");
  ScheduleSubscription(w, sub);
  return sub.json["items"]["data"].back();
}

Json UpdateSubscriptionItem(Call& call) {
  World& w = call.w;
  Object& sub = OwnerOf(w, call.ids[0]);
  Change change(w, sub);
  Json wanted = call.p;
  wanted["id"] = call.ids[0];
  ApplyItems(w, sub, Json::array({wanted}), Behavior(call));
  change.Emit("customer.subscription.updated");
  ScheduleSubscription(w, sub);
  return *FindItem(sub, call.ids[0]);
}

Json DeleteSubscriptionItem(Call& call) {
  World& w = call.w;
  Object& sub = OwnerOf(w, call.ids[0]);
  Change change(w, sub);
  ApplyItems(w, sub, Json::array({{{"id", call.ids[0]}, {"deleted", true}}}), Behavior(call));
  change.Emit("customer.subscription.updated");
  return Json{{"id", call.ids[0]}, {"object", "subscription_item"}, {"deleted", true}};
}

}  // namespace stripesim
