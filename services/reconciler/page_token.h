// The opaque token of a place among rows in the order of a time and an id: of the last row shown on a page, or of the
// last one that a run has come to. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace billmesh::reconciler {

struct RowPlace {
  absl::Time at;  // whole microseconds, as the database has it
  std::string id;
};

std::string EncodePageToken(const RowPlace& place);
// nullopt for anything that EncodePageToken didn't make.
std::optional<RowPlace> DecodePageToken(std::string_view token);

}  // namespace billmesh::reconciler
