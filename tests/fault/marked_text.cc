#include "tests/fault/marked_text.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "tests/fault/life.h"

namespace billmesh::convergence {
namespace {

constexpr std::array<std::string_view, 18> kPrefixes = {"ch",    "cn", "cnli", "cs", "cus",   "du", "evt", "il", "in",
                                                        "inpay", "li", "op",   "pi", "plink", "pm", "re",  "si", "sub"};
// Shorter ones are words: "in_progress".
constexpr size_t kMinIdBytes = 12;

bool IsIdByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The end of the id that begins at `at`, or `at` where none does.
size_t EndOfId(std::string_view text, size_t at) {
  if (at > 0 && IsIdByte(text[at - 1])) return at;
  size_t end = at;
  while (end < text.size() && IsIdByte(text[end])) ++end;
  const std::string_view token = text.substr(at, end - at);
  const size_t line = token.find('_');
  if (line == std::string_view::npos || token.size() - line < kMinIdBytes) return at;
  const bool known = std::find(kPrefixes.begin(), kPrefixes.end(), token.substr(0, line)) != kPrefixes.end();
  return known ? end : at;
}

}  // namespace

MarkedText::MarkedText(std::string_view text) {
  constexpr std::string_view kEntity = kEntityPlaceholder;
  size_t from = 0;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, kEntity.size(), kEntity) == 0) {
      pieces_.push_back({std::string(text.substr(from, at - from)), true});
      from = at += kEntity.size();
      continue;
    }
    const size_t end = EndOfId(text, at);
    if (end == at) {
      ++at;
      continue;
    }
    pieces_.push_back({std::string(text.substr(from, end - from)), false});
    from = at = end;
  }
  rest_ = text.substr(from);
}

std::string MarkedText::For(std::string_view suffix, std::string_view entity_id) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.text;
    text += piece.entity ? entity_id : suffix;
  }
  return text + rest_;
}

std::string WithoutSuffix(std::string text, std::string_view suffix) {
  for (size_t at = text.find(suffix); at != std::string::npos; at = text.find(suffix, at))
    text.erase(at, suffix.size());
  return text;
}

}  // namespace billmesh::convergence
