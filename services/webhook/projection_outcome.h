// Fetched objects: what is refused before anything stored is looked at, and what is answered of the rest. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "services/webhook/binding_rules.h"
#include "services/webhook/event_rules.h"
#include "services/webhook/projection_rules.h"

namespace billmesh::webhook {

// Bounds of a call.
inline constexpr int kMaxFetchedObjects = 64;
inline constexpr size_t kMaxFetchedBytes = 256 << 10;  // of one object

// Reasons of a refused object, beside those of events.
inline constexpr char kObjectTooLarge[] = "object_too_large";
inline constexpr char kObjectMalformed[] = "object_malformed";  // then ": " and the field

// The projection that owns objects of this kind (WHK-3); none for a kind that isn't taken.
std::optional<Owner> OwnerOfKind(std::string_view kind);

// The object's id, and whether it lives in the provider's live mode; none where the object doesn't say.
std::string_view IdOf(const ProviderObject& object);
std::optional<bool> LivemodeOf(const ProviderObject& object);

enum class ProjectionOutcome { kChanged, kUnchanged, kUnbound, kContradicted, kRefused };
std::string_view NameOf(ProjectionOutcome outcome);

// Whether applying it changed anything: its own row, or a session that waited for it.
bool Changed(const Applied& applied);
ProjectionOutcome OutcomeOf(const ObjectResult& result);

}  // namespace billmesh::webhook
