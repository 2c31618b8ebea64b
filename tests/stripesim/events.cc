#include "tests/stripesim/events.h"

#include <algorithm>
#include <utility>

#include "tests/stripesim/shapes.h"

namespace stripesim {
namespace {

// Events of one change often show the same object (invoice.paid, invoice.payment_succeeded).
constexpr size_t kShareWindow = 6;

}  // namespace

Event& EventLog::Append(Event event) {
  event.seq = next_seq_++;
  for (size_t i = 0; i < std::min(kShareWindow, events_.size()); ++i) {
    const Event& recent = events_[events_.size() - 1 - i];
    if (recent.object_id == event.object_id && *recent.snapshot == *event.snapshot) {
      event.snapshot = recent.snapshot;
      break;
    }
  }
  by_id_[event.id] = event.seq;
  events_.push_back(std::move(event));
  while (events_.size() > max_events_) {
    DropFront();
    ++dropped_;
  }
  return events_.back();
}

Event* EventLog::Find(std::string_view id) {
  auto it = by_id_.find(std::string(id));
  if (it == by_id_.end()) return nullptr;
  return &events_[it->second - events_.front().seq];
}

void EventLog::DropFront() {
  by_id_.erase(events_.front().id);
  events_.pop_front();
}

Json RenderEvent(const Event& event, std::string_view version, bool livemode) {
  Json object = Json::parse(*event.snapshot);
  Json data = Json::object();
  Json previous;
  if (!event.previous.empty()) {
    previous = Json::parse(event.previous);
    RenderPrevious(previous, object, version);
  }
  Render(object, version);
  data["object"] = std::move(object);
  if (!previous.is_null()) data["previous_attributes"] = std::move(previous);
  Json request = {{"id", nullptr}, {"idempotency_key", nullptr}};
  if (!event.request_id.empty()) request["id"] = event.request_id;
  if (!event.idempotency_key.empty()) request["idempotency_key"] = event.idempotency_key;
  return Json{{"id", event.id},
              {"object", "event"},
              {"api_version", version},
              {"created", event.created},
              {"data", std::move(data)},
              {"livemode", livemode},
              {"pending_webhooks", event.pending},
              {"request", std::move(request)},
              {"type", event.type}};
}

}  // namespace stripesim
