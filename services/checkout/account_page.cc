#include "services/checkout/account_page.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crypto/crypto.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

// From 1970 to 9999, in microseconds: what a timestamp of ours can be.
constexpr int64_t kMaxMicros = 253'402'300'799'999'999;
// More than any of ours has.
constexpr size_t kMaxTokenBytes = 256;

std::optional<PagePlace> DecodePageToken(const PagedList& list, std::string_view token) {
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const std::optional<std::string> text = crypto::Base64UrlDecode(token);
  if (!text.has_value()) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(*text, '/');
  if (parts.size() != 4 || parts[0] != list.name || parts[1] != list.entity_id || !IsUuid(parts[3])) {
    return std::nullopt;
  }
  int64_t micros = 0;
  const char* const end = parts[2].data() + parts[2].size();
  const auto [parsed, error] = std::from_chars(parts[2].data(), end, micros);
  if (error != std::errc() || parsed != end || micros < 0 || micros > kMaxMicros) return std::nullopt;
  return PagePlace{absl::FromUnixMicros(micros), parts[3]};
}

}  // namespace

std::string EncodePageToken(const PagedList& list, const PagePlace& place) {
  return crypto::Base64UrlEncode(absl::StrCat(AbslView(list.name), "/", AbslView(list.entity_id), "/",
                                              absl::ToUnixMicros(place.created_at), "/", place.id));
}

absl::StatusOr<PageRequest> ReadPageRequest(const PagedList& list, int32_t page_size, std::string_view page_token) {
  PageRequest request;
  if (page_size != 0) request.size = page_size;
  if (request.size < 1 || request.size > kMaxPageSize) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat("page_size: expected 1 to ", kMaxPageSize),
                {{"field", "page_size"}});
  }
  if (page_token.empty()) return request;
  request.after = DecodePageToken(list, page_token);
  if (!request.after.has_value()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "page_token isn't from an earlier answer to this request",
                {{"field", "page_token"}});
  }
  return request;
}

}  // namespace billmesh::checkout
