// What all projected rows have in common: the version that they were last written from, and the row as it was loaded
// beside the row as it is to be.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace billmesh::webhook {

// How far an object has come in its life at the provider. Lives only go forward: an object in a later stage is newer
// than one in an earlier stage, whatever their times say. This orders what happened within one second, and keeps ended
// objects ended.
enum class Stage { kUnknown, kInitial, kLive, kEnding, kEnded };

// What a row was last written from (WHK-5): the provider's time, and the event's id. Of a snapshot that we fetched: the
// answer's Date, and a mark that no event's id can equal (FetchedVersion in event_rules.h).
struct Version {
  std::optional<absl::Time> at;
  std::string event_id;
  friend bool operator==(const Version&, const Version&) = default;
};

// Gives `other` the versions of `row`, so that only their content differs. Overloaded where a row has several.
template <typename Row>
void TakeVersions(const Row& row, Row& other) {
  other.version = row.version;
}

// A row as it was loaded and as it is to be.
template <typename Row>
struct Tracked {
  std::optional<Row> stored;  // none: it will be inserted
  Row row;
  bool Written() const { return !stored || !(*stored == row); }
  // Whether more than the version changed: what an entity has or may do.
  bool ContentChanged() const {
    if (!stored) return true;
    Row other = *stored;
    TakeVersions(row, other);
    return !(other == row);
  }
};

}  // namespace billmesh::webhook
