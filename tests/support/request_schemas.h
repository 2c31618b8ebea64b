// Where the reference data has the JSON schemas of all request parameters.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

#include "common/testing/shared_data.h"

namespace billmesh::testing {

// The file's path; empty where it is missing, which is said once on standard error, because less is tested then.
inline std::string RequestSchemasFile() {
  static const std::string file = [] {
    const auto data = FindSharedData();
    const std::filesystem::path path = data.value_or("") / "stripe-requests-2026-10-28.endive.json";
    if (data && std::filesystem::exists(path)) return path.string();
    std::fprintf(stderr, "requests are not checked against the provider's schemas: %s\n", kNoSharedData);
    return std::string();
  }();
  return file;
}

}  // namespace billmesh::testing
