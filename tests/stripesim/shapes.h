#pragma once

// API versions. The simulator keeps every object in the newest shape; this renders it as an older
// version shows it: before basil (2025-03-31) periods stand on the subscription, and invoices,
// payment intents and charges point at each other directly.

#include <string>
#include <string_view>

#include "tests/stripesim/json.h"

namespace stripesim {

bool IsBeforeBasil(std::string_view version);

// Whether it looks like one of Stripe's: YYYY-MM-DD, or YYYY-MM-DD.name.
bool IsVersion(std::string_view version);

// Renders `value` and all objects in it in place.
void Render(Json& value, std::string_view version);

// The same for an event's previous_attributes of an object of `kind`, whose present state is
// `object` (newest shape).
void RenderPrevious(Json& previous, const Json& object, std::string_view version);

// What changed from `before` to `after`, with the old values: hashes member by member, lists and
// arrays whole, as Stripe's previous_attributes.
Json PreviousAttributes(const Json& before, const Json& after);

}  // namespace stripesim
