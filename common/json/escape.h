// The one place that writes JSON strings. Free of the JSON library, so that logs can use it too. Thread safe.
#pragma once

#include <string>
#include <string_view>

namespace billmesh::json {

// Appends text as a JSON string with its quotes and the shortest escapes (RFC 8785, 3.2.2.2). Each byte that is not
// part of valid UTF-8 becomes U+FFFD; false if there was one.
bool AppendQuoted(std::string& out, std::string_view text);

// Length in bytes of the well-formed UTF-8 sequence (RFC 3629) at the start of text; 0 if there is none.
size_t Utf8SequenceLength(std::string_view text);

}  // namespace billmesh::json
