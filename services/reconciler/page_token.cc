#include "services/reconciler/page_token.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/ids/id_generator.h"

namespace billmesh::reconciler {
namespace {

// From 1970 to 9999, in microseconds: what a timestamp of ours can be.
constexpr int64_t kMaxMicros = 253'402'300'799'999'999;

}  // namespace

std::string EncodePageToken(const RowPlace& place) {
  return crypto::Base64UrlEncode(absl::StrCat(absl::ToUnixMicros(place.at), "/", place.id));
}

std::optional<RowPlace> DecodePageToken(std::string_view token) {
  const std::optional<std::string> text = crypto::Base64UrlDecode(token);
  if (!text.has_value()) return std::nullopt;
  const size_t slash = text->find('/');
  if (slash == std::string::npos || !IsUuid(std::string_view(*text).substr(slash + 1))) return std::nullopt;
  int64_t micros = 0;
  const char* const end = text->data() + slash;
  const auto [parsed, error] = std::from_chars(text->data(), end, micros);
  if (error != std::errc() || parsed != end || micros < 0 || micros > kMaxMicros) return std::nullopt;
  return RowPlace{absl::FromUnixMicros(micros), text->substr(slash + 1)};
}

}  // namespace billmesh::reconciler
