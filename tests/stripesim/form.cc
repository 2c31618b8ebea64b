#include "tests/stripesim/form.h"

#include <algorithm>
#include <utility>

#include "tests/stripesim/error.h"

namespace stripesim {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Length of the UTF-8 sequence at `i`, or 0 where it isn't one. Overlong forms and surrogates are
// refused, as JSON couldn't carry them back.
size_t SequenceLength(std::string_view text, size_t i) {
  auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char lead = byte(i);
  if (lead < 0x80) return 1;
  size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                  : lead >= 0xE0 && lead <= 0xEF ? 3
                  : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                 : 0;
  if (length == 0 || i + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(i + 1) < 0xA0) return 0;
  if (lead == 0xED && byte(i + 1) > 0x9F) return 0;
  if (lead == 0xF0 && byte(i + 1) < 0x90) return 0;
  if (lead == 0xF4 && byte(i + 1) > 0x8F) return 0;
  return length;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = SequenceLength(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

// `a[b][]` → {"a", "b", ""}.
std::vector<std::string> SplitName(std::string_view key) {
  std::vector<std::string> parts;
  size_t open = key.find('[');
  parts.emplace_back(key.substr(0, open));
  while (open != std::string_view::npos) {
    const size_t close = key.find(']', open);
    if (close == std::string_view::npos) {
      throw Invalid("", key, "Invalid parameter name: " + std::string(key));
    }
    parts.emplace_back(key.substr(open + 1, close - open - 1));
    open = close + 1 < key.size() && key[close + 1] == '[' ? close + 1 : std::string_view::npos;
  }
  if (parts.size() > kMaxFormDepth) {
    throw Invalid("", parts.front(), "Parameters are nested too deeply.");
  }
  return parts;
}

}  // namespace

std::string UrlDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      out += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string UrlEncode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::vector<FormPair> ParseForm(std::string_view encoded) {
  std::vector<FormPair> pairs;
  while (!encoded.empty()) {
    const size_t end = std::min(encoded.find('&'), encoded.size());
    const std::string_view piece = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (piece.empty()) continue;
    const size_t equals = piece.find('=');
    FormPair pair;
    pair.key = UrlDecode(piece.substr(0, equals));
    if (equals != std::string_view::npos) pair.value = UrlDecode(piece.substr(equals + 1));
    if (!IsUtf8(pair.key) || !IsUtf8(pair.value)) {
      throw Invalid("", "", "Invalid request: parameters must be valid UTF-8.");
    }
    pairs.push_back(std::move(pair));
    if (pairs.size() > kMaxFormPairs) throw Invalid("", "", "Too many parameters.");
  }
  return pairs;
}

Json NestForm(const std::vector<FormPair>& pairs) {
  Json root = Json::object();
  for (const FormPair& pair : pairs) {
    Json* node = &root;
    const std::vector<std::string> parts = SplitName(pair.key);
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!node->is_object()) {
        throw Invalid("", parts.front(), "Invalid parameter: " + parts.front());
      }
      const std::string name = i > 0 && parts[i].empty() ? std::to_string(node->size()) : parts[i];
      const bool leaf = i + 1 == parts.size();
      auto it = node->find(name);
      if (it == node->end()) {
        (*node)[name] = leaf ? Json(pair.value) : Json::object();
        node = &(*node)[name];
      } else {
        if (leaf && !it->is_string()) {
          throw Invalid("", parts.front(), "Invalid parameter: " + parts.front());
        }
        if (leaf) *it = pair.value;
        node = &*it;
      }
    }
  }
  return root;
}

std::string CanonicalForm(const std::vector<FormPair>& pairs) {
  std::vector<std::string> lines;
  lines.reserve(pairs.size());
  for (const FormPair& pair : pairs) {
    lines.push_back(UrlEncode(pair.key) + "=" + UrlEncode(pair.value));
  }
  // Stable: repeated `a[]` keep their order, which is part of the meaning.
  std::stable_sort(lines.begin(), lines.end(), [](const std::string& a, const std::string& b) {
    return std::string_view(a).substr(0, a.find('=')) < std::string_view(b).substr(0, b.find('='));
  });
  std::string text;
  for (const std::string& line : lines) {
    if (!text.empty()) text += '&';
    text += line;
  }
  return text;
}

bool LooksLikeArray(const Json& node) {
  if (!node.is_object() || node.empty()) return false;
  std::vector<bool> seen(node.size(), false);
  for (const auto& [name, value] : node.items()) {
    if (name.empty() || name.size() > 6 ||
        !std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    const size_t index = std::stoul(name);
    if (index >= seen.size() || seen[index]) return false;
    seen[index] = true;
  }
  return true;
}

}  // namespace stripesim
