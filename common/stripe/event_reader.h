// Reads Stripe's events: snapshot events (`"object": "event"`) with the object that they carry, and thin notifications
// (`"object": "v2.core.event"`).
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "common/provider/event_source.h"

namespace billmesh::stripe {

// Parses the body once, with the bounds of object_readers.h. WEBHOOK_PAYLOAD_MALFORMED when it isn't JSON or its
// envelope isn't an event's; metadata `cause`. An object that can't be read is told in Event::object_error instead, so
// that the event can be stored. Thread safe; never throws.
absl::StatusOr<provider::Event> ReadEvent(std::string_view body);

}  // namespace billmesh::stripe
