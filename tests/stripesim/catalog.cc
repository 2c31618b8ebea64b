// Account, products and prices.

#include <utility>

#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

std::string Decimal(int64_t amount) { return std::to_string(amount); }

Json CreateInlineProduct(World& w, const Json& data) {
  Json product = NewObject(w, "product");
  if (Has(data, "id")) product["id"] = Str(data, "id");
  product["active"] = Bool(data, "active", true);
  product["created"] = w.Now();
  product["default_price"] = nullptr;
  product["description"] = Or(data, "description", nullptr);
  product["images"] = Or(data, "images", Json::array());
  product["livemode"] = w.options.livemode;
  product["marketing_features"] = Or(data, "marketing_features", Json::array());
  product["metadata"] = Json::object();
  ApplyMetadata(product, data);
  product["name"] = Str(data, "name");
  product["package_dimensions"] = nullptr;
  product["shippable"] = Or(data, "shippable", nullptr);
  product["statement_descriptor"] = Or(data, "statement_descriptor", nullptr);
  product["tax_code"] = Or(data, "tax_code", nullptr);
  product["tax_details"] = nullptr;
  product["type"] = "service";
  product["unit_label"] = Or(data, "unit_label", nullptr);
  product["updated"] = w.Now();
  product["url"] = Or(data, "url", nullptr);
  Object& object = w.store.Insert(std::move(product));
  w.Emit("product.created", object);
  return object.json;
}

Json RecurringOf(const Json& params) {
  if (!Has(params, "recurring")) return nullptr;
  const Json& in = params["recurring"];
  return Json{{"interval", Str(in, "interval")},
              {"interval_count", Int(in, "interval_count", 1)},
              {"meter", Or(in, "meter", nullptr)},
              {"trial_period_days", Or(in, "trial_period_days", nullptr)},
              {"usage_type", Has(in, "usage_type") ? Str(in, "usage_type") : "licensed"}};
}

void CheckCurrency(const std::string& currency, const std::string& param) {
  bool good = currency.size() == 3;
  for (const char c : currency) good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  if (!good) throw Invalid("", param, "Invalid currency: " + currency);
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// A lookup key belongs to one price at a time.
void ClaimLookupKey(World& w, const std::string& key, bool transfer, const std::string& new_owner) {
  if (key.empty()) return;
  Object* owner = nullptr;
  w.store.ForEach("price", "lookup_key", key, [&](Object& price) {
    if (price.id != new_owner) owner = &price;
    return owner == nullptr;
  });
  if (owner == nullptr) return;
  if (!transfer) {
    throw Refused("A price (`" + owner->id + "`) already uses that lookup key.", "lookup_key",
                  "resource_already_exists");
  }
  Change change(w, *owner);
  owner->json["lookup_key"] = nullptr;
  change.Emit("price.updated");
}

}  // namespace

Json GetAccount(Call& call) {
  return Json{{"id", call.w.account_id},
              {"object", "account"},
              {"business_profile", {{"name", "stripesim"}, {"url", nullptr}}},
              {"business_type", nullptr},
              {"capabilities", {{"card_payments", "active"}, {"transfers", "active"}}},
              {"charges_enabled", true},
              {"country", "US"},
              {"default_currency", "usd"},
              {"details_submitted", true},
              {"email", "account@example.com"},
              {"metadata", Json::object()},
              {"payouts_enabled", true},
              {"settings", {{"dashboard", {{"display_name", "stripesim"}, {"timezone", "Etc/UTC"}}}}},
              {"type", "standard"}};
}

Json CreateProduct(Call& call) {
  if (const std::string id = Str(call.p, "id"); !id.empty()) {
    if (call.w.store.FindAny(id) != nullptr) {
      throw Refused("Product already exists.", "id", "resource_already_exists");
    }
  }
  Json product = CreateInlineProduct(call.w, call.p);
  if (Has(call.p, "default_price_data")) {
    Json data = call.p["default_price_data"];
    data["product"] = Str(product, "id");
    const Json price = CreateInlinePrice(call.w, data, "default_price_data");
    Object& object = Require(call.w, "product", Str(product, "id"));
    object.json["default_price"] = Str(price, "id");
    product = object.json;
  }
  return product;
}

Json GetProduct(Call& call) { return Require(call.w, "product", call.ids[0]).json; }

Json UpdateProduct(Call& call) {
  Object& product = Require(call.w, "product", call.ids[0]);
  Change change(call.w, product);
  CopyParams(product.json, call.p,
             {"active", "default_price", "description", "images", "marketing_features", "name", "shippable",
              "statement_descriptor", "tax_code", "unit_label", "url"});
  ApplyMetadata(product.json, call.p);
  if (product.json["images"].is_null()) product.json["images"] = Json::array();
  product.json["updated"] = call.w.Now();
  change.Emit("product.updated");
  return product.json;
}

Json ListProducts(Call& call) {
  return ListObjects(call, "product", "/v1/products", {"active", "shippable", "url", "type"},
                     [&](const Object& product) {
                       if (!call.p.contains("ids")) return true;
                       for (const Json& id : call.p["ids"]) {
                         if (id == product.id) return true;
                       }
                       return false;
                     });
}

Json DeleteProduct(Call& call) {
  Object& product = Require(call.w, "product", call.ids[0]);
  if (call.w.store.Count("price") > 0) {
    bool used = false;
    call.w.store.ForEach("price", "product", product.id, [&](Object&) { return !(used = true); });
    if (used) {
      throw Refused("This product cannot be deleted because it has one or more user-created prices.");
    }
  }
  product.deleted = true;
  call.w.Emit("product.deleted", product);
  return DeletedStub(product);
}

Json CreateInlinePrice(World& w, const Json& params, const std::string& param) {
  const std::string prefix = param.empty() ? "" : param + "[";
  const std::string suffix = param.empty() ? "" : "]";
  const auto name = [&](const char* field) { return prefix + field + suffix; };
  const std::string currency = Lower(Str(params, "currency"));
  CheckCurrency(currency, name("currency"));
  if (!Has(params, "unit_amount") && !Has(params, "unit_amount_decimal") && !Has(params, "custom_unit_amount") &&
      !Has(params, "tiers")) {
    throw MissingParam(name("unit_amount"));
  }
  if (Int(params, "unit_amount") < 0) {
    throw Invalid("parameter_invalid_integer", name("unit_amount"), "This value must be greater than or equal to 0.");
  }
  std::string product = Str(params, "product");
  if (product.empty() && Has(params, "product_data")) {
    product = Str(CreateInlineProduct(w, params["product_data"]), "id");
  }
  if (product.empty()) throw MissingParam(name("product"));
  Require(w, "product", product, name("product"));
  ClaimLookupKey(w, Str(params, "lookup_key"), Bool(params, "transfer_lookup_key"), "");

  const int64_t amount = Has(params, "unit_amount") ? Int(params, "unit_amount") : Int(params, "unit_amount_decimal");
  const Json recurring = RecurringOf(params);
  Json price = NewObject(w, "price");
  price["active"] = Bool(params, "active", param.empty() || param == "default_price_data");
  price["billing_scheme"] = Has(params, "billing_scheme") ? Str(params, "billing_scheme") : "per_unit";
  price["created"] = w.Now();
  price["currency"] = currency;
  price["custom_unit_amount"] = Or(params, "custom_unit_amount", nullptr);
  price["livemode"] = w.options.livemode;
  price["lookup_key"] = Or(params, "lookup_key", nullptr);
  price["metadata"] = Json::object();
  ApplyMetadata(price, params);
  price["nickname"] = Or(params, "nickname", nullptr);
  price["product"] = product;
  price["recurring"] = recurring;
  price["tax_behavior"] = Has(params, "tax_behavior") ? Str(params, "tax_behavior") : "unspecified";
  price["tiers_mode"] = Or(params, "tiers_mode", nullptr);
  price["transform_quantity"] = nullptr;
  price["type"] = recurring.is_null() ? "one_time" : "recurring";
  price["unit_amount"] = amount;
  price["unit_amount_decimal"] = Decimal(amount);
  Object& object = w.store.Insert(std::move(price));
  w.Emit("price.created", object);
  return object.json;
}

Json CreatePrice(Call& call) { return CreateInlinePrice(call.w, call.p, ""); }

Json GetPrice(Call& call) { return Require(call.w, "price", call.ids[0]).json; }

Json UpdatePrice(Call& call) {
  Object& price = Require(call.w, "price", call.ids[0]);
  ClaimLookupKey(call.w, Str(call.p, "lookup_key"), Bool(call.p, "transfer_lookup_key"), price.id);
  Change change(call.w, price);
  CopyParams(price.json, call.p, {"active", "lookup_key", "nickname", "tax_behavior"});
  ApplyMetadata(price.json, call.p);
  change.Emit("price.updated");
  return price.json;
}

Json ListPrices(Call& call) {
  return ListObjects(call, "price", "/v1/prices", {"active", "currency", "product", "type"}, [&](const Object& price) {
    const Json& recurring = At(call.p, "recurring");
    if (Has(recurring, "interval") && Str(At(price.json, "recurring"), "interval") != Str(recurring, "interval")) {
      return false;
    }
    if (!call.p.contains("lookup_keys")) return true;
    for (const Json& key : call.p["lookup_keys"]) {
      if (key == At(price.json, "lookup_key")) return true;
    }
    return false;
  });
}

Json PlanOf(const Json& price) {
  const Json& recurring = At(price, "recurring");
  return Json{{"id", Str(price, "id")},
              {"object", "plan"},
              {"active", Bool(price, "active")},
              {"amount", At(price, "unit_amount")},
              {"amount_decimal", At(price, "unit_amount_decimal")},
              {"billing_scheme", "per_unit"},
              {"created", Int(price, "created")},
              {"currency", Str(price, "currency")},
              {"interval", At(recurring, "interval")},
              {"interval_count", At(recurring, "interval_count")},
              {"livemode", Bool(price, "livemode")},
              {"metadata", At(price, "metadata")},
              {"meter", nullptr},
              {"nickname", At(price, "nickname")},
              {"product", At(price, "product")},
              {"tiers_mode", nullptr},
              {"transform_usage", nullptr},
              {"trial_period_days", nullptr},
              {"usage_type", At(recurring, "usage_type")}};
}

bool IsMetered(const Json& price) { return Str(At(price, "recurring"), "usage_type") == "metered"; }

}  // namespace stripesim
