#include "common/stripe/signature.h"

#include <cstdint>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"

namespace billmesh::stripe {
namespace {

constexpr std::string_view kScheme = "v1";
// More digits than any time in seconds that this code will see, and few enough to never overflow.
constexpr size_t kMaxTimestampDigits = 15;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r'; }

// The official client reads the time with JavaScript's parseInt: leading white space and a sign are taken, what follows
// the digits is dropped. It signs the number, not the text.
std::optional<int64_t> ParseSeconds(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  int64_t value = 0;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (digits == kMaxTimestampDigits) return std::nullopt;
    value = value * 10 + (text[digits] - '0');
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  return negative ? -value : value;
}

absl::Status Refuse(const char* cause) {
  return Fail(Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID, absl::StrCat("webhook signature refused: ", cause),
              {{"cause", cause}});
}

struct ParsedHeader {
  std::optional<int64_t> seconds;
  std::vector<std::string_view> signatures;
  size_t count = 0;
};

// `name=value[=dropped]` separated by commas; nothing is trimmed.
ParsedHeader ParseHeader(std::string_view header) {
  ParsedHeader parsed;
  while (true) {
    const size_t comma = header.find(',');
    const std::string_view item = header.substr(0, comma);
    const size_t equals = item.find('=');
    const std::string_view name = item.substr(0, equals);
    std::string_view value = equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
    value = value.substr(0, value.find('='));
    if (name == "t") parsed.seconds = ParseSeconds(value);
    if (name == kScheme) {
      ++parsed.count;
      if (parsed.count <= kMaxSignatures) parsed.signatures.push_back(value);
    }
    if (comma == std::string_view::npos) return parsed;
    header.remove_prefix(comma + 1);
  }
}

}  // namespace

absl::Status CheckWebhookSecrets(const std::vector<std::string>& secrets) {
  if (secrets.empty()) return absl::InvalidArgumentError("no webhook secret is given");
  if (secrets.size() > kMaxSecrets) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxSecrets, " webhook secrets are given"));
  }
  for (size_t i = 0; i < secrets.size(); ++i) {
    bool blank = true;
    for (const char c : secrets[i]) blank = blank && IsBlank(c);
    if (blank) return absl::InvalidArgumentError(absl::StrCat("webhook secret ", i + 1, " is blank"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SignatureVerifier>> SignatureVerifier::Create(std::vector<std::string> secrets,
                                                                             absl::Duration tolerance) {
  RETURN_IF_ERROR(CheckWebhookSecrets(secrets));
  return std::unique_ptr<SignatureVerifier>(
      new SignatureVerifier(std::make_shared<const std::vector<std::string>>(std::move(secrets)), tolerance));
}

absl::Status SignatureVerifier::ReplaceSecrets(std::vector<std::string> secrets) {
  RETURN_IF_ERROR(CheckWebhookSecrets(secrets));
  auto replaced = std::make_shared<const std::vector<std::string>>(std::move(secrets));
  std::lock_guard lock(mutex_);
  secrets_ = std::move(replaced);
  return absl::OkStatus();
}

SignatureVerifier::Secrets SignatureVerifier::Current() const {
  std::lock_guard lock(mutex_);
  return secrets_;
}

absl::StatusOr<absl::Time> SignatureVerifier::Verify(std::string_view body, std::string_view header,
                                                     absl::Time now) const {
  if (header.empty()) return Refuse("header_missing");
  if (header.size() > kMaxSignatureHeaderBytes) return Refuse("header_too_large");
  const ParsedHeader parsed = ParseHeader(header);
  if (!parsed.seconds.has_value() || *parsed.seconds == -1) return Refuse("timestamp_missing");
  if (parsed.count == 0) return Refuse("signature_missing");
  if (parsed.count > kMaxSignatures) return Refuse("too_many_signatures");
  const std::string prefix = absl::StrCat(*parsed.seconds, ".");
  const Secrets secrets = Current();
  // Every pair is compared, so that the time tells nothing of which one matched.
  bool matched = false;
  for (const std::string& secret : *secrets) {
    const std::string expected = crypto::HmacSha256Hex(secret, prefix, body);
    for (const std::string_view signature : parsed.signatures) {
      const bool equal = crypto::ConstantTimeEquals(expected, signature);
      matched = matched || equal;
    }
  }
  if (!matched) return Refuse(kSignatureMismatch);
  const absl::Time signed_at = absl::FromUnixSeconds(*parsed.seconds);
  // Whole seconds, as the official client counts: 300.9 s old is 300.
  if (absl::FromUnixSeconds(absl::ToUnixSeconds(now)) - signed_at > tolerance_) return Refuse("too_old");
  return signed_at;
}

}  // namespace billmesh::stripe
