// Webhook endpoints and the events that they get.

#include <algorithm>
#include <utility>

#include "tests/stripesim/error.h"
#include "tests/stripesim/events.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/shapes.h"

namespace stripesim {
namespace {

void CheckEndpointUrl(const Json& params) {
  const std::string url = Str(params, "url");
  if (url.empty()) return;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    throw Invalid("url_invalid", "url",
                  "Invalid URL: An explicit scheme (such as https) must be "
                  "provided.");
  }
}

bool TypeWanted(const Json& params, const std::string& type) {
  const auto matches = [&](const std::string& wanted) {
    // "invoice.*" as well as whole names.
    if (wanted.ends_with(".*")) return type.starts_with(wanted.substr(0, wanted.size() - 1));
    return wanted == "*" || wanted == type;
  };
  if (Has(params, "type")) return matches(Str(params, "type"));
  if (!params.contains("types")) return true;
  for (const Json& wanted : params["types"]) {
    if (matches(wanted.get<std::string>())) return true;
  }
  return false;
}

// `delivery_success=false`: those that some endpoint hasn't acknowledged.
bool DeliveryWanted(const Json& params, const Event& event) {
  if (!params.contains("delivery_success")) return true;
  const bool undelivered = event.pending > 0 || event.failed;
  return Bool(params, "delivery_success") != undelivered;
}

bool Listed(const World& w, const Event& event) { return event.created >= w.Now() - kEventListedS; }

uint64_t CursorSeq(World& w, const Json& params, const char* name) {
  const std::string id = Str(params, name);
  if (id.empty()) return 0;
  const Event* event = w.events.Find(id);
  if (event == nullptr) throw ResourceMissing("event", id, name);
  return event->seq;
}

}  // namespace

Object& AddWebhookEndpoint(World& w, const std::string& url, const std::string& secret, const std::string& api_version,
                           const Json& enabled_events) {
  Json endpoint = NewObject(w, "webhook_endpoint");
  endpoint["api_version"] = api_version.empty() ? Json(nullptr) : Json(api_version);
  endpoint["application"] = nullptr;
  endpoint["created"] = w.Now();
  endpoint["description"] = nullptr;
  endpoint["enabled_events"] = enabled_events;
  endpoint["livemode"] = w.options.livemode;
  endpoint["metadata"] = Json::object();
  endpoint["status"] = "enabled";
  endpoint["url"] = url;
  const std::string key = secret.empty() ? w.ids.Make("whsec_", 32) : secret;
  return w.store.Insert(std::move(endpoint), {{"secret", key}});
}

Json CreateWebhookEndpoint(Call& call) {
  CheckEndpointUrl(call.p);
  const std::string version = Str(call.p, "api_version");
  if (!version.empty() && !IsVersion(version)) {
    throw Invalid("", "api_version", "Invalid Stripe API version: " + version);
  }
  Object& endpoint = AddWebhookEndpoint(call.w, Str(call.p, "url"), "", version, call.p["enabled_events"]);
  endpoint.json["description"] = Or(call.p, "description", nullptr);
  ApplyMetadata(endpoint.json, call.p);
  Json answer = endpoint.json;
  answer["secret"] = Str(endpoint.priv, "secret");  // shown once
  return answer;
}

Json GetWebhookEndpoint(Call& call) { return Require(call.w, "webhook_endpoint", call.ids[0]).json; }

Json UpdateWebhookEndpoint(Call& call) {
  Object& endpoint = Require(call.w, "webhook_endpoint", call.ids[0]);
  CheckEndpointUrl(call.p);
  CopyParams(endpoint.json, call.p, {"description", "enabled_events", "url"});
  if (call.p.contains("disabled")) {
    endpoint.json["status"] = Bool(call.p, "disabled") ? "disabled" : "enabled";
  }
  ApplyMetadata(endpoint.json, call.p);
  return endpoint.json;
}

Json ListWebhookEndpoints(Call& call) { return ListObjects(call, "webhook_endpoint", "/v1/webhook_endpoints", {}); }

Json DeleteWebhookEndpoint(Call& call) {
  Object& endpoint = Require(call.w, "webhook_endpoint", call.ids[0]);
  endpoint.deleted = true;
  return DeletedStub(endpoint);
}

Json GetEvent(Call& call) {
  const Event* event = call.w.events.Find(call.ids[0]);
  if (event == nullptr || !Listed(call.w, *event)) throw ResourceMissing("event", call.ids[0]);
  return RenderEvent(*event, event->api_version, call.w.options.livemode);
}

Json ListEvents(Call& call) {
  World& w = call.w;
  const size_t limit = PageLimit(call.p);
  const uint64_t after = CursorSeq(w, call.p, "starting_after");
  const uint64_t before = CursorSeq(w, call.p, "ending_before");
  if (Has(call.p, "type") && call.p.contains("types")) {
    throw Invalid("", "type", "You may only specify one of these parameters: type, types.");
  }
  const auto wanted = [&](const Event& event) {
    return Listed(w, event) && TypeWanted(call.p, event.type) && DeliveryWanted(call.p, event) &&
           InRange(At(call.p, "created"), event.created);
  };
  const auto& all = w.events.all();
  std::vector<const Event*> found;
  if (before != 0) {
    // Forward in time from the cursor, then turned around: newest first, next to the cursor.
    for (const Event& event : all) {
      if (event.seq <= before || !wanted(event)) continue;
      found.push_back(&event);
      if (found.size() > limit) break;
    }
    const bool more = found.size() > limit;
    if (more) found.pop_back();
    std::reverse(found.begin(), found.end());
    Json data = Json::array();
    for (const Event* event : found) {
      data.push_back(RenderEvent(*event, event->api_version, w.options.livemode));
    }
    return MakeList("/v1/events", std::move(data), more);
  }
  for (auto it = all.rbegin(); it != all.rend() && found.size() <= limit; ++it) {
    if ((after == 0 || it->seq < after) && wanted(*it)) found.push_back(&*it);
  }
  const bool more = found.size() > limit;
  if (more) found.pop_back();
  Json data = Json::array();
  for (const Event* event : found) {
    data.push_back(RenderEvent(*event, event->api_version, w.options.livemode));
  }
  return MakeList("/v1/events", std::move(data), more);
}

}  // namespace stripesim
