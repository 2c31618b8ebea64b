#include "services/checkout/checkout_config.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/daemon/daemon.h"
#include "common/lease/lease.h"
#include "common/money/money.h"
#include "common/status/strings.h"
#include "common/stripe/client_config.h"

namespace billmesh::checkout {
namespace {

using config::Config;
using config::CrossCheck;
using config::Setting;
using config::Type;

constexpr char kCurrency[] = "billing-currency";
constexpr char kBaseUrl[] = "public-base-url";
constexpr char kKeySecret[] = "operation-key-secret";
constexpr char kLease[] = "checkout-lease";
constexpr char kCallTimeout[] = "provider-timeout";
constexpr char kSessionLifetime[] = "checkout-session-lifetime";
constexpr char kReplayWindow[] = "provider-replay-window";
constexpr char kExpiryGrace[] = "checkout-session-expires-at-grace-seconds";
constexpr char kRefreshPause[] = "checkout-refresh-pause";
constexpr char kRefreshTimeout[] = "checkout-refresh-timeout";
constexpr char kWebhookAddr[] = "webhook-addr";
constexpr size_t kMinKeySecret = 32;

template <typename T>
void Append(std::vector<T> from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

std::vector<Setting> CheckoutSettings() {
  std::vector<Setting> settings = daemon::CommonSettings(/*with_database=*/true);
  Append(stripe::ClientSettings(), settings);
  Append(
      std::vector<Setting>{
          {kCurrency, "BILLING_CURRENCY", Type::kString, std::nullopt,
           "the one currency sold in, ISO 4217, for example eur"},
          {kBaseUrl, "PUBLIC_BASE_URL", Type::kUrl, std::nullopt,
           "where buyers come back to; redirect paths are joined to it"},
          {kKeySecret, "OPERATION_KEY_SECRET", Type::kSecret, std::nullopt,
           "key that operation keys are derived with, at least 32 characters; the same in all replicas"},
          {kLease, "CHECKOUT_LEASE", Type::kDuration, "120s",
           "how long a process may work on an operation before another takes it over", 200, 600'000},
          {kCallTimeout, "PROVIDER_TIMEOUT", Type::kDuration, "20s", "one provider call, its retries included", 50,
           120'000},
          {kSessionLifetime, "CHECKOUT_SESSION_LIFETIME", Type::kDuration, "1430m",
           "how long a checkout session can be paid (the provider takes 30m to 24h)", 1'800'000, 85'800'000},
          {kReplayWindow, "PROVIDER_REPLAY_WINDOW", Type::kDuration, "23h",
           "how long a frozen request may be sent again (the provider keeps keys for 24h)", 1'000, 82'800'000},
          {kExpiryGrace, "CHECKOUT_SESSION_EXPIRES_AT_GRACE_SECONDS", Type::kInt, "90",
           "seconds that a session still blocks after its expiry", 0, 86'400},
          {kRefreshPause, "CHECKOUT_REFRESH_PAUSE", Type::kDuration, "3s",
           "how long the provider isn't asked again about a checkout that a buyer comes back to", 1'000, 60'000},
          {kRefreshTimeout, "CHECKOUT_REFRESH_TIMEOUT", Type::kDuration, "5s",
           "how long asking, and projecting what was bought, may take before what is stored is the answer", 500,
           60'000},
          {kWebhookAddr, "WEBHOOK_ADDR", Type::kAddress, std::nullopt, "host:port of the webhook daemon's gRPC server"},
      },
      settings);
  return settings;
}

std::string BaseUrlFault(std::string_view url, std::string_view billing_env) {
  const absl::string_view text = AbslView(url);
  const bool secure = absl::StartsWith(text, "https://");
  if (billing_env == "live" && !secure) return "PUBLIC_BASE_URL must be https:// where BILLING_ENV is live";
  const absl::string_view rest = text.substr(text.find("://") == absl::string_view::npos ? 0 : text.find("://") + 3);
  if (rest.empty() || rest[0] == '/' || rest.find_first_of("?#@\\ ") != absl::string_view::npos ||
      absl::StrContains(rest, "//")) {
    return "PUBLIC_BASE_URL must be a host and optionally a path, with no query, fragment or user";
  }
  return "";
}

std::vector<CrossCheck> CheckoutChecks() {
  std::vector<CrossCheck> checks = daemon::CommonChecks(/*with_database=*/true);
  Append(stripe::ClientChecks(), checks);
  Append(std::vector<CrossCheck>{
             [](const Config& c) -> std::string {
               return Currency::Parse(c.Get(kCurrency)).ok() ? "" : "BILLING_CURRENCY is not a currency code like eur";
             },
             [](const Config& c) { return BaseUrlFault(c.Get(kBaseUrl), c.Get("billing-env")); },
             [](const Config& c) -> std::string {
               return c.Get(kKeySecret).size() >= kMinKeySecret
                          ? ""
                          : absl::StrCat("OPERATION_KEY_SECRET has fewer than ", kMinKeySecret, " characters");
             },
             [](const Config& c) -> std::string {
               return c.GetDuration(kCallTimeout) <= lease::WritingTime(c.GetDuration(kLease))
                          ? ""
                          : "PROVIDER_TIMEOUT is more than half of CHECKOUT_LEASE";
             },
         },
         checks);
  return checks;
}

CheckoutConfig ReadCheckoutConfig(const Config& c) {
  CheckoutConfig config;
  config.env = c.Get("billing-env");
  config.currency = Currency::Parse(c.Get(kCurrency))->code();
  config.public_base_url = std::string(absl::StripSuffix(c.Get(kBaseUrl), "/"));
  config.operation_key_secret = c.Get(kKeySecret);
  config.kernel_times = {c.GetDuration(kLease), c.GetDuration(kCallTimeout)};
  config.checkout_times = {c.GetDuration(kSessionLifetime), c.GetDuration(kReplayWindow),
                           absl::Seconds(c.GetInt(kExpiryGrace))};
  config.refresh_times = {c.GetDuration(kRefreshPause), c.GetDuration(kRefreshTimeout)};
  config.webhook_addr = c.Get(kWebhookAddr);
  return config;
}

}  // namespace billmesh::checkout
