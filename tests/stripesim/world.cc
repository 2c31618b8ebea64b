#include "tests/stripesim/world.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <random>
#include <utility>

#include "tests/stripesim/shapes.h"

namespace stripesim {
namespace {

uint64_t SeedOf(const Options& options) {
  if (options.seed) return *options.seed;
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

bool Listens(const Object& endpoint, const std::string& type) {
  if (endpoint.deleted || Str(endpoint.json, "status") != "enabled") return false;
  for (const Json& enabled : endpoint.json["enabled_events"]) {
    if (enabled == "*" || enabled == type) return true;
  }
  return false;
}

// Copied from the object into the ledger's line, where the object has them.
constexpr const char* kEffectFields[] = {"customer", "amount",       "amount_total", "total",          "currency",
                                         "status",   "mode",         "subscription", "payment_intent", "invoice",
                                         "charge",   "payment_link", "metadata"};

}  // namespace

World::World(const Options& options_in, std::function<int64_t()> wall)
    : options(options_in),
      ids(SeedOf(options_in)),
      clock(std::move(wall)),
      events(static_cast<size_t>(std::max<int64_t>(1, options_in.max_events))),
      ledger(options_in.ledger_file),
      account_id(ids.ForObject("account", options_in.livemode)),
      account_version(options_in.api_version),
      page_base_url(options_in.page_base_url.empty() ? "http://" + options_in.listen : options_in.page_base_url) {}

void World::Emit(const std::string& type, const Object& object, const Json& previous) {
  Event event;
  event.id = NewId("event");
  event.type = type;
  event.created = Now();
  event.api_version = account_version;
  event.object_id = object.id;
  event.snapshot = std::make_shared<const std::string>(Dump(object.json));
  if (!previous.is_null()) event.previous = Dump(previous);
  event.request_id = actor.request_id;
  // Only what a request causes directly carries its key; the page's effects have none at Stripe.
  if (!actor.request_id.empty()) event.idempotency_key = actor.key;
  std::vector<Delivery> deliveries;
  store.ForEach("webhook_endpoint", "", "", [&](Object& endpoint) {
    if (Listens(endpoint, type)) deliveries.push_back({event.id, endpoint.id, object.id, type});
    return true;
  });
  event.pending = static_cast<int>(deliveries.size());
  events.Append(std::move(event));
  if (deliver) {
    for (const Delivery& delivery : deliveries) deliver(delivery);
  }
}

void World::Effect(const std::string& effect, const Object& object, const Json& more) {
  Json entry = {{"at", Now()},
                {"effect", effect},
                {"object", object.kind},
                {"id", object.id},
                {"source", actor.source},
                {"request_id", actor.request_id},
                {"idempotency_key", actor.key}};
  for (const char* name : kEffectFields) {
    if (Has(object.json, name)) entry[name] = At(object.json, name);
  }
  for (const auto& [name, value] : more.items()) entry[name] = value;
  ledger.Append("effect", std::move(entry));
}

PaymentBehavior World::BehaviorOf(const std::string& customer) const {
  auto it = behavior.find(customer);
  if (it == behavior.end()) it = behavior.find("");
  return it == behavior.end() ? PaymentBehavior() : it->second;
}

Change::Change(World& world, Object& object)
    : world_(world),
      object_(object),
      before_(object.json),
      priv_before_(object.priv),
      exceptions_(std::uncaught_exceptions()) {}

Change::~Change() {
  if (std::uncaught_exceptions() == exceptions_) return;
  object_.json = std::move(before_);
  object_.priv = std::move(priv_before_);
}

void Change::Emit(const std::string& type) {
  world_.store.Reindex(object_);
  const Json previous = PreviousAttributes(before_, object_.json);
  if (previous.empty()) return;
  world_.Emit(type, object_, previous);
  before_ = object_.json;
  priv_before_ = object_.priv;
}

}  // namespace stripesim
