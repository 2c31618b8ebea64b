// Finds the reference data that tests read real shapes from. It isn't part of this project: a test that needs it skips
// itself, saying so, where it is missing.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

namespace billmesh::testing {

// The folder named by BILLMESH_SHARED_DATA, else `shared/data` beside the working directory or beside one of its
// parents.
inline std::optional<std::filesystem::path> FindSharedData() {
  namespace fs = std::filesystem;
  std::error_code error;
  if (const char* named = std::getenv("BILLMESH_SHARED_DATA"); named != nullptr && *named != '\0') {
    return fs::is_directory(named, error) ? std::optional<fs::path>(named) : std::nullopt;
  }
  for (fs::path at = fs::current_path(error); !at.empty(); at = at.parent_path()) {
    const fs::path candidate = at / "shared" / "data";
    if (fs::is_directory(candidate, error)) return candidate;
    if (at == at.root_path()) break;
  }
  return std::nullopt;
}

// What to say when it is missing.
inline constexpr char kNoSharedData[] =
    "SKIPPED: the reference data (shared/data) is not here; set BILLMESH_SHARED_DATA to its folder to run this test";

inline std::string ReadWholeFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

}  // namespace billmesh::testing
