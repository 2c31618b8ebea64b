// Payment links and billing portal sessions.

#include <utility>

#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr size_t kMaxLinkItems = 20;

Json Restrictions(const Json& params) {
  if (!Has(params, "restrictions")) return nullptr;
  const int64_t limit = Int(At(params["restrictions"], "completed_sessions"), "limit");
  if (limit < 1) {
    throw Invalid("parameter_invalid_integer", "restrictions[completed_sessions][limit]",
                  "This value must be greater than or equal to 1.");
  }
  return Json{{"completed_sessions", {{"count", 0}, {"limit", limit}}}};
}

Json AfterCompletion(const Json& params) {
  if (Has(params, "after_completion")) {
    const Json& wanted = params["after_completion"];
    const std::string type = Str(wanted, "type");
    if (type == "redirect" && !Has(wanted, "redirect")) throw MissingParam("after_completion[redirect]");
    if (type != "redirect" && Has(wanted, "redirect")) {
      throw Invalid("", "after_completion[redirect]",
                    "You can only pass `after_completion[redirect]` when `after_completion[type]` is `redirect`.");
    }
    return wanted;
  }
  return Json{{"hosted_confirmation", {{"custom_message", nullptr}}}, {"type", "hosted_confirmation"}};
}

void CheckLines(const Json& items) {
  if (items.size() > kMaxLinkItems) {
    throw Refused("You can have at most 20 line items on a Payment Link.", "line_items");
  }
  for (const Json& item : items) {
    if (Str(item, "currency") != Str(items[0], "currency")) {
      throw Refused("All prices of a Payment Link must have the same currency.", "line_items");
    }
  }
}

// subscription: any recurring line; payment otherwise.
std::string ModeOf(const Json& items) {
  for (const Json& item : items) {
    if (Str(At(item, "price"), "type") == "recurring") return "subscription";
  }
  return "payment";
}

}  // namespace

Json CreatePaymentLink(Call& call) {
  World& w = call.w;
  const Json& p = call.p;
  // "" accepts both kinds of prices: the lines decide the mode.
  Json items = MakeLineItems(w, p["line_items"], "");
  CheckLines(items);
  const std::string mode = ModeOf(items);
  if (mode == "subscription" && Has(p, "invoice_creation")) {
    throw Invalid("", "invoice_creation", "You can not pass `invoice_creation` when a recurring price is used.");
  }
  Json link = NewObject(w, "payment_link");
  const std::string id = Str(link, "id");
  link["active"] = true;
  link["after_completion"] = AfterCompletion(p);
  link["allow_promotion_codes"] = Bool(p, "allow_promotion_codes");
  link["application"] = nullptr;
  link["application_fee_amount"] = nullptr;
  link["application_fee_percent"] = nullptr;
  link["automatic_tax"] = Json{{"enabled", false}, {"liability", nullptr}};
  link["billing_address_collection"] = "auto";
  link["consent_collection"] = nullptr;
  link["currency"] = Str(items[0], "currency");
  link["custom_fields"] = Json::array();
  link["custom_text"] = Json{{"after_submit", nullptr},
                             {"shipping_address", nullptr},
                             {"submit", nullptr},
                             {"terms_of_service_acceptance", nullptr}};
  link["customer_creation"] = Or(p, "customer_creation", "if_required");
  link["inactive_message"] = Or(p, "inactive_message", nullptr);
  link["invoice_creation"] = mode == "payment"
                                 ? Or(p, "invoice_creation", Json{{"enabled", false}, {"invoice_data", nullptr}})
                                 : Json(nullptr);
  link["livemode"] = w.options.livemode;
  link["managed_payments"] = nullptr;
  link["metadata"] = Json::object();
  ApplyMetadata(link, p);
  link["on_behalf_of"] = nullptr;
  link["payment_intent_data"] = Or(p, "payment_intent_data", nullptr);
  link["payment_method_collection"] = "always";
  link["payment_method_options"] = nullptr;
  link["payment_method_types"] = nullptr;
  link["phone_number_collection"] = Json{{"enabled", false}};
  link["restrictions"] = Restrictions(p);
  link["shipping_address_collection"] = nullptr;
  link["shipping_options"] = Json::array();
  link["submit_type"] = "auto";
  link["subscription_data"] = Or(p, "subscription_data", nullptr);
  link["tax_id_collection"] = Json{{"enabled", false}, {"required", "never"}};
  link["transfer_data"] = nullptr;
  link["url"] = w.page_base_url + "/link/" + id;
  Json priv = {{"line_items", std::move(items)}, {"mode", mode}, {"key", w.actor.key}};
  Object& object = w.store.Insert(std::move(link), std::move(priv));
  w.Effect("created", object);
  w.Emit("payment_link.created", object);
  return object.json;
}

Json GetPaymentLink(Call& call) { return Require(call.w, "payment_link", call.ids[0]).json; }

Json UpdatePaymentLink(Call& call) {
  Object& link = Require(call.w, "payment_link", call.ids[0]);
  Change change(call.w, link);
  CopyParams(link.json, call.p, {"active", "after_completion", "allow_promotion_codes", "inactive_message"});
  if (call.p.contains("active")) link.json["active"] = Bool(call.p, "active");
  ApplyMetadata(link.json, call.p);
  change.Emit("payment_link.updated");
  return link.json;
}

Json ListPaymentLinks(Call& call) { return ListObjects(call, "payment_link", "/v1/payment_links", {"active"}); }

Json ListPaymentLinkItems(Call& call) {
  const Object& link = Require(call.w, "payment_link", call.ids[0]);
  return Page(call, "/v1/payment_links/" + link.id + "/line_items", At(link.priv, "line_items"));
}

Json CreatePortalSession(Call& call) {
  World& w = call.w;
  const std::string customer = Str(call.p, "customer");
  if (customer.empty()) throw MissingParam("customer");
  Require(w, "customer", customer, "customer");
  const Json& flow = At(call.p, "flow_data");
  Json session = NewObject(w, "billing_portal.session");
  const std::string id = Str(session, "id");
  session["after_expiration"] = nullptr;
  session["configuration"] = Has(call.p, "configuration") ? Str(call.p, "configuration") : "bpc_default";
  session["created"] = w.Now();
  session["customer"] = customer;
  session["customer_account"] = nullptr;
  if (flow.is_null()) {
    session["flow"] = nullptr;
  } else {
    for (const char* name : {"subscription_cancel", "subscription_update", "subscription_pause"}) {
      const std::string sub = Str(At(flow, name), "subscription");
      if (!sub.empty()) {
        Require(w, "subscription", sub, std::string("flow_data[") + name + "][subscription]");
      }
    }
    session["flow"] =
        Json{{"after_completion",
              Or(flow, "after_completion",
                 Json{{"hosted_confirmation", nullptr}, {"redirect", nullptr}, {"type", "portal_homepage"}})},
             {"subscription_cancel", At(flow, "subscription_cancel")},
             {"subscription_update", At(flow, "subscription_update")},
             {"subscription_update_confirm", At(flow, "subscription_update_confirm")},
             {"type", Str(flow, "type")}};
  }
  session["livemode"] = w.options.livemode;
  session["locale"] = Or(call.p, "locale", nullptr);
  session["on_behalf_of"] = nullptr;
  session["return_url"] = Or(call.p, "return_url", nullptr);
  session["url"] = w.page_base_url + "/portal/" + id;
  Object& object = w.store.Insert(std::move(session), {{"key", w.actor.key}});
  w.Emit("billing_portal.session.created", object);
  return object.json;
}

}  // namespace stripesim
