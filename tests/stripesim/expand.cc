#include <algorithm>
#include <set>
#include <utility>

#include "tests/stripesim/error.h"
#include "tests/stripesim/resource.h"

namespace stripesim {
namespace {

constexpr size_t kMaxLevels = 4;

// Members that hold the id of another object and can be expanded to it.
bool HoldsId(const std::string& name) {
  static const std::set<std::string> kNames = {"balance_transaction",
                                               "charge",
                                               "customer",
                                               "default_payment_method",
                                               "default_price",
                                               "default_source",
                                               "invoice",
                                               "latest_charge",
                                               "latest_invoice",
                                               "on_behalf_of",
                                               "payment_intent",
                                               "payment_link",
                                               "payment_method",
                                               "pending_setup_intent",
                                               "product",
                                               "schedule",
                                               "setup_intent",
                                               "subscription",
                                               "test_clock",
                                               "price"};
  return kNames.contains(name);
}

// Lists that stand in an answer only when asked for.
bool IncludeList(Call& call, Json& object, const std::string& name) {
  const std::string kind = Str(object, "object");
  const std::string id = Str(object, "id");
  Object* owner = call.w.store.FindAny(id);
  if (owner == nullptr) return false;
  if (name == "line_items" && (kind == "checkout.session" || kind == "payment_link")) {
    const std::string base = kind == "payment_link" ? "/v1/payment_links/" : "/v1/checkout/sessions/";
    object["line_items"] = MakeList(base + id + "/line_items", At(owner->priv, "line_items"));
    return true;
  }
  const bool payments = name == "payments" && kind == "invoice";
  if (payments || (name == "subscriptions" && kind == "customer")) {
    Json data = Json::array();
    call.w.store.ForEach(payments ? "invoice_payment" : "subscription", payments ? "invoice" : "customer", id,
                         [&](Object& member) {
                           if (Str(member.json, "status") != "canceled") data.push_back(member.json);
                           return data.size() < 10;
                         });
    object[name] = MakeList(payments ? "/v1/invoice_payments?invoice=" + id : "/v1/customers/" + id + "/subscriptions",
                            std::move(data));
    return true;
  }
  if (name == "refunds" && kind == "charge") {
    Json data = Json::array();
    call.w.store.ForEach("refund", "charge", id, [&](Object& refund) {
      data.push_back(refund.json);
      return true;
    });
    object[name] = MakeList("/v1/charges/" + id + "/refunds", std::move(data));
    return true;
  }
  return false;
}

void ExpandPath(Call& call, Json& node, const std::vector<std::string>& path, size_t level, const std::string& whole);

void ExpandMember(Call& call, Json& holder, const std::vector<std::string>& path, size_t level,
                  const std::string& whole) {
  const std::string& name = path[level];
  Json& member = holder[name];
  if (member.is_string() && HoldsId(name)) {
    if (const Object* target = call.w.store.FindAny(member.get<std::string>())) {
      member = target->deleted ? DeletedStub(*target) : target->json;
    }
  } else if (member.is_string() || member.is_number() || member.is_boolean()) {
    throw Invalid("", "expand", "This property cannot be expanded (" + whole + ").");
  }
  if (member.is_structured()) ExpandPath(call, member, path, level + 1, whole);
}

void ExpandPath(Call& call, Json& node, const std::vector<std::string>& path, size_t level, const std::string& whole) {
  if (level == path.size()) return;
  if (node.is_array()) {
    for (Json& element : node) ExpandPath(call, element, path, level, whole);
    return;
  }
  if (!node.is_object()) return;
  const std::string& name = path[level];
  if (IncludeList(call, node, name) || node.contains(name)) {
    ExpandMember(call, node, path, level, whole);
  } else if (node.contains("_legacy") && node["_legacy"].contains(name)) {
    // Rendering an old version moves it up to where the request looks for it.
    ExpandMember(call, node["_legacy"], path, level, whole);
  } else if (Str(node, "object") == "invoice" && name == "subscription") {
    Json& parent = node["parent"];
    if (parent.is_object()) ExpandMember(call, parent["subscription_details"], path, level, whole);
  } else {
    throw Invalid("", "expand", "This property cannot be expanded (" + whole + ").");
  }
}

}  // namespace

void Expand(Call& call, Json& answer) {
  if (!call.p.contains("expand")) return;
  for (const Json& wanted : call.p["expand"]) {
    const std::string whole = wanted.get<std::string>();
    std::vector<std::string> path;
    for (size_t at = 0; at <= whole.size();) {
      const size_t dot = std::min(whole.find('.', at), whole.size());
      path.push_back(whole.substr(at, dot - at));
      at = dot + 1;
    }
    const size_t levels = path.size() - (path.front() == "data" ? 1 : 0);
    if (levels > kMaxLevels) {
      throw Invalid("", "expand", "You cannot expand more than 4 levels of a property.");
    }
    ExpandPath(call, answer, path, 0, whole);
  }
}

}  // namespace stripesim
