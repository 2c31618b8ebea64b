// Whether a text says how to reach PostgreSQL (CFG-2). libpq's header stays inside this room.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace billmesh::db {

// INVALID_ARGUMENT unless the text is a postgres:// or postgresql:// URL or a key=value string that libpq takes, with
// at least one value and ports from 1 to 65535. Connects to nothing. The message holds nothing of the text, which may
// hold a password. Thread safe.
absl::Status CheckUrl(const std::string& url);

}  // namespace billmesh::db
