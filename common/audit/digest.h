// Before/after digests of audit rows (AUD-1): they tell whether an object is still what a row says it became, without
// repeating its content.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace billmesh::audit {

struct DigestField {
  std::string_view name;
  std::optional<std::string> value;  // none: NULL, which differs from empty
};

// Hex SHA-256 of a canonical text of the fields, in the order given: each value stands with its name and length, so
// that no two different objects have the same text. Give each kind of object its fields in one place, always in the
// same order.
std::string Digest(std::initializer_list<DigestField> fields);

}  // namespace billmesh::audit
