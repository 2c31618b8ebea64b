#include "common/stripe/event_source.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

constexpr char kWhole[] = "whsec_whole";
constexpr char kThin[] = "whsec_thin";
constexpr char kBody[] = "{}";
constexpr int64_t kNow = 1'790'000'000;

std::string Header(const std::string& secret, int64_t t) {
  return absl::StrCat("t=", t, ",v1=", crypto::HmacSha256Hex(secret, absl::StrCat(t, ".", kBody)));
}

TEST(StripeEventSourceTest, NamesTheKindOfEndpointOrTheCauseOfTheRefusal) {
  const auto whole = SignatureVerifier::Create({kWhole}).value();
  const auto thin = SignatureVerifier::Create({kThin}).value();
  const struct {
    const char* what;
    std::string header;
    const char* with_thin;     // verdict where thin notifications are taken too
    const char* without_thin;  // and where they aren't
  } kCases[] = {
      {"whole", Header(kWhole, kNow), "whole", "whole"},
      {"thin", Header(kThin, kNow), "thin", "mismatch"},
      {"whole and old", Header(kWhole, kNow - 301), "too_old", "too_old"},
      {"thin and old", Header(kThin, kNow - 301), "too_old", "mismatch"},
      {"of another secret", Header("whsec_other", kNow), "mismatch", "mismatch"},
      {"no header", "", "header_missing", "header_missing"},
      {"no signature", absl::StrCat("t=", kNow), "signature_missing", "signature_missing"},
  };
  const auto verdict = [](const StripeEventSource& source, const std::string& header) -> std::string {
    const auto verified = source.Verify(kBody, header, absl::FromUnixSeconds(kNow));
    if (verified.ok()) return verified->thin ? "thin" : "whole";
    EXPECT_EQ(ReasonOf(verified.status()), Reason::FAILURE_REASON_WEBHOOK_SIGNATURE_INVALID);
    return MetadataOf(verified.status())["cause"];
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(verdict(StripeEventSource(*whole, thin.get()), c.header), c.with_thin) << c.what;
    EXPECT_EQ(verdict(StripeEventSource(*whole), c.header), c.without_thin) << c.what;
  }
}

}  // namespace
}  // namespace billmesh::stripe
