// Between the world's events and the sender: which webhooks to make, with which faults.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/signature.h"
#include "tests/stripesim/simulator.h"

namespace stripesim {
namespace {

constexpr int64_t kDefaultReorderMs = 300;
constexpr int64_t kMaxExtraDeliveries = 1000;

// Receivers check the signature's time against their own clock: it is real time, never ours.
int64_t WallSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Where an object of the kind is retrieved; the kinds that thin notifications speak of.
struct Place {
  const char* kind;
  const char* path;
};
constexpr Place kPlaces[] = {{"charge", "/v1/charges/"},
                             {"checkout.session", "/v1/checkout/sessions/"},
                             {"credit_note", "/v1/credit_notes/"},
                             {"customer", "/v1/customers/"},
                             {"dispute", "/v1/disputes/"},
                             {"invoice", "/v1/invoices/"},
                             {"invoice_payment", "/v1/invoice_payments/"},
                             {"payment_intent", "/v1/payment_intents/"},
                             {"payment_link", "/v1/payment_links/"},
                             {"payment_method", "/v1/payment_methods/"},
                             {"price", "/v1/prices/"},
                             {"product", "/v1/products/"},
                             {"refund", "/v1/refunds/"},
                             {"subscription", "/v1/subscriptions/"}};

std::string IsoTime(int64_t unix_s) {
  const std::chrono::sys_seconds when{std::chrono::seconds(unix_s)};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{when - day};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.000Z", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

// The event as an endpoint for thin notifications gets it: what happened to which object, and where that is.
Json ThinNotification(const Event& event, const Object* object, bool livemode) {
  Json thin = {{"id", "evt_thin" + event.id.substr(event.id.find('_'))},
               {"object", "v2.core.event"},
               {"type", "v1." + event.type},
               {"created", IsoTime(event.created)},
               {"livemode", livemode},
               {"snapshot_event", event.id}};
  for (const Place& place : kPlaces) {
    if (object == nullptr || object->kind != place.kind) continue;
    thin["related_object"] = {{"id", object->id}, {"type", object->kind}, {"url", place.path + object->id}};
  }
  return thin;
}

}  // namespace

OutgoingWebhook Simulator::WebhookFor(const Event& event, const Object& endpoint) {
  const std::string own = Str(endpoint.json, "api_version");
  const std::string& version = own.empty() ? event.api_version : own;
  OutgoingWebhook webhook;
  webhook.url = Str(endpoint.json, "url");
  // Indented as Stripe sends it: receivers must verify the bytes, not what they mean.
  const bool livemode = world_.options.livemode;
  webhook.body =
      Dump(Bool(endpoint.priv, "thin") ? ThinNotification(event, world_.store.FindAny(event.object_id), livemode)
                                       : RenderEvent(event, version, livemode),
           2);
  webhook.headers = {{"Content-Type", "application/json; charset=utf-8"},
                     {"Accept", "*/*"},
                     {"Cache-Control", "no-cache"},
                     {"Stripe-Signature", SignatureHeader(Str(endpoint.priv, "secret"), WallSeconds(), webhook.body)}};
  return webhook;
}

void Simulator::Enqueue(const Delivery& delivery) {
  if (sender_ == nullptr) return;
  FaultSubject subject;
  subject.event_type = delivery.event_type;
  subject.object_id = delivery.object_id;
  WebhookJob job;
  job.delivery = delivery;
  const auto fault = faults_.Strike(FaultStage::kWebhook, subject, world_.ids);
  if (fault) {
    world_.ledger.Count(fault->action);
    if (fault->action == "webhook_drop") return;  // stays listed as undelivered
    if (fault->action == "webhook_hold") job.held = true;
    if (fault->action == "webhook_delay") job.delay_ms = Int(fault->params, "ms", 1000);
    if (fault->action == "webhook_reorder") {
      job.delay_ms = Int(fault->params, "ms", kDefaultReorderMs);
      job.out_of_order = true;
    }
    if (fault->action == "webhook_duplicate") {
      WebhookJob extra = job;
      extra.extra = true;
      extra.out_of_order = true;
      extra.delay_ms = Int(fault->params, "ms", 0);
      for (int64_t i = 0; i < Int(fault->params, "times", 1); ++i) sender_->Enqueue(extra);
    }
  }
  sender_->Enqueue(std::move(job));
}

std::optional<OutgoingWebhook> Simulator::PrepareWebhook(const Delivery& delivery) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Event* event = world_.events.Find(delivery.event_id);
  const Object* endpoint = world_.store.Find("webhook_endpoint", delivery.endpoint_id);
  if (event == nullptr || endpoint == nullptr || endpoint->deleted) return std::nullopt;
  return WebhookFor(*event, *endpoint);
}

void Simulator::NoteWebhook(const WebhookJob& job, long status, bool final) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool good = status >= 200 && status < 300;
  world_.ledger.Count(good ? "webhooks_acknowledged" : "webhooks_refused");
  world_.ledger.Append("webhook", {{"at", world_.Now()},
                                   {"event", job.delivery.event_id},
                                   {"type", job.delivery.event_type},
                                   {"object_id", job.delivery.object_id},
                                   {"endpoint", job.delivery.endpoint_id},
                                   {"status", status},
                                   {"try", job.tries},
                                   {"extra", job.extra},
                                   {"final", final}});
  if (job.extra || !final) return;
  Event* event = world_.events.Find(job.delivery.event_id);
  if (event == nullptr) return;
  if (event->pending > 0) --event->pending;
  if (!good) event->failed = true;
}

// {"event":"evt_…","times":N,"delay_ms":D}: more deliveries of a known event.
Json Simulator::Deliver(const Json& body) {
  const std::string id = Str(body, "event");
  const Event* event = world_.events.Find(id);
  if (event == nullptr) throw ResourceMissing("event", id);
  const int64_t times = std::min(Int(body, "times", 1), kMaxExtraDeliveries);
  int64_t queued = 0;
  world_.store.ForEach("webhook_endpoint", "", "", [&](Object& endpoint) {
    if (endpoint.deleted) return true;
    for (int64_t i = 0; i < times; ++i, ++queued) {
      WebhookJob job;
      job.delivery = {id, endpoint.id, event->object_id, event->type};
      job.extra = true;
      job.out_of_order = true;
      job.delay_ms = Int(body, "delay_ms");
      sender_->Enqueue(std::move(job));
    }
    return true;
  });
  return Json{{"queued", queued}};
}

// A delivery that isn't Stripe's, or not as Stripe makes it; sent at once, answers its status.
// "event" (a known one) or "body" (any text) is what is sent; "mode" says what is wrong with it.
Json Simulator::Forge(const Json& body, std::unique_lock<std::mutex>& lock) {
  const Object* endpoint = nullptr;
  world_.store.ForEach("webhook_endpoint", "", "", [&](Object& found) {
    if (!found.deleted) endpoint = &found;
    return endpoint == nullptr;
  });
  OutgoingWebhook webhook;
  if (const Event* event = world_.events.Find(Str(body, "event")); event && endpoint) {
    webhook = WebhookFor(*event, *endpoint);
  }
  if (Has(body, "body")) webhook.body = Str(body, "body");
  if (Has(body, "url")) webhook.url = Str(body, "url");
  if (webhook.url.empty() && endpoint != nullptr) webhook.url = Str(endpoint->json, "url");
  if (webhook.url.empty()) throw Refused("no url, and no endpoint to take it from", "url");

  const std::string mode = Has(body, "mode") ? Str(body, "mode") : "wrong_secret";
  const std::string real = endpoint == nullptr ? "whsec_none" : Str(endpoint->priv, "secret");
  const std::string secret = Has(body, "secret") ? Str(body, "secret") : mode == "wrong_secret" ? "whsec_forged" : real;
  const int64_t t = WallSeconds() - Int(body, "age_s", mode == "old" ? 301 : 0);
  const std::string hmac = HmacSha256Hex(secret, std::to_string(t) + "." + webhook.body);
  std::string header = "t=" + std::to_string(t) + ",v1=" + hmac;
  if (mode == "v0_only") header = "t=" + std::to_string(t) + ",v0=" + hmac;
  if (mode == "uppercase") {
    for (size_t i = header.find("v1=") + 3; i < header.size(); ++i) {
      if (header[i] >= 'a' && header[i] <= 'f') header[i] = static_cast<char>(header[i] - 'a' + 'A');
    }
  }
  if (mode == "flipped_body" && !webhook.body.empty()) webhook.body.back() ^= 1;
  if (mode == "header") header = Str(body, "header");
  webhook.headers = {{"Content-Type", "application/json; charset=utf-8"}};
  if (mode != "no_header") webhook.headers.emplace_back("Stripe-Signature", header);

  WebhookSender* sender = sender_;
  lock.unlock();  // the receiver's answer may take its time-out
  const long status = sender->Post(webhook);
  lock.lock();
  world_.ledger.Count("webhooks_forged");
  return Json{{"status", status}, {"mode", mode}, {"signature", header}};
}

}  // namespace stripesim
