// The opaque token of a page of dead letters: the place of the last job shown. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace billmesh::reconciler {

struct DeadLetterPlace {
  absl::Time finished_at;  // whole microseconds, as the database has it
  std::string job_id;
};

std::string EncodePageToken(const DeadLetterPlace& place);
// nullopt for anything that EncodePageToken didn't make.
std::optional<DeadLetterPlace> DecodePageToken(std::string_view token);

}  // namespace billmesh::reconciler
