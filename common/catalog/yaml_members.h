// A YAML mapping read strictly, for catalog_file.cc only: known members, no duplicates, exact types, and the line of
// each fault.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "yaml-cpp/yaml.h"

namespace billmesh::catalog {

// The line of a node, from 1; 0 for a node that doesn't exist.
int LineOf(const YAML::Node& node);

// CATALOG_INVALID: "line 12: <where>: <what>", metadata line and where.
absl::Status InvalidAt(int line, std::string_view where, std::string_view what);

enum class Need { kRequired, kOptional };

class YamlMembers {
 public:
  // `where` is the mapping's path for messages. With an empty `allowed` any member is.
  static absl::StatusOr<YamlMembers> Read(const YAML::Node& node, std::string where,
                                          std::initializer_list<std::string_view> allowed);

  int line() const { return line_; }
  const std::string& where() const { return where_; }
  void set_where(std::string where) { where_ = std::move(where); }
  // A member's path.
  std::string Path(std::string_view name) const;
  // In the order of their names.
  const std::map<std::string, YAML::Node, std::less<>>& all() const { return members_; }
  // The member's node, or null.
  const YAML::Node* Find(std::string_view name) const;
  // The line of a member's name, or of the mapping if it doesn't have it. (The line of an empty value is that of the
  // next thing.)
  int LineOfMember(std::string_view name) const;

  // Each leaves `out` as it is when an optional member isn't there.
  absl::Status Text(std::string_view name, Need need, size_t max_bytes, std::string& out) const;
  absl::Status Integer(std::string_view name, Need need, int64_t min, int64_t max, int64_t& out) const;
  absl::Status Bool(std::string_view name, bool& out) const;
  absl::Status Choice(std::string_view name, Need need, std::initializer_list<std::string_view> choices,
                      std::string& out) const;

 private:
  std::map<std::string, YAML::Node, std::less<>> members_;
  std::map<std::string, int, std::less<>> lines_;
  std::string where_;
  int line_ = 0;
};

// A scalar or a list of scalars as JSON, by YAML's core schema as far as we use it: plain true and false, plain decimal
// integers, everything else a string. Null, mappings and deeper lists are refused.
absl::StatusOr<nlohmann::json> ScalarsToJson(const YAML::Node& node, const std::string& where);

}  // namespace billmesh::catalog
