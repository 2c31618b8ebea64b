#include "common/stripe/client_config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/status/strings.h"
#include "common/stripe/client.h"
#include "common/telemetry/metrics.h"

namespace billmesh::stripe {
namespace {

constexpr char kSecretKey[] = "stripe-secret-key";
constexpr char kApiBase[] = "stripe-api-base";
constexpr char kConnections[] = "provider-connections";
constexpr char kAttempts[] = "provider-attempts";
constexpr char kBackoffBase[] = "provider-backoff-base";
constexpr char kBackoffMax[] = "provider-backoff-max";
constexpr char kBillingEnv[] = "billing-env";
constexpr char kLiveEnv[] = "live";
constexpr std::streamsize kMaxSecretBytes = 64 << 10;

bool IsVisible(char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); }

// The last good value of a secret, and the file that it came from.
class SecretFile {
 public:
  SecretFile(std::string initial, std::string file, std::function<std::string(std::string_view)> fault_of)
      : file_(std::move(file)), fault_of_(std::move(fault_of)), value_(std::move(initial)) {
    std::error_code error;
    if (!file_.empty()) seen_ = std::filesystem::last_write_time(file_, error);
  }

  std::string Get() {
    if (file_.empty()) return value_;
    std::lock_guard lock(mutex_);
    std::error_code error;
    const auto written = std::filesystem::last_write_time(file_, error);
    // A mount is swapped in two steps: a file that is away for a moment isn't a rotation.
    if (!error && written != seen_) Reload(written);
    return value_;
  }

 private:
  void Reload(std::filesystem::file_time_type written) {
    std::ifstream in(file_, std::ios::binary);
    std::string content(static_cast<size_t>(kMaxSecretBytes), '\0');
    in.read(content.data(), kMaxSecretBytes);
    content.resize(static_cast<size_t>(in.gcount()));
    const std::string secret(absl::StripTrailingAsciiWhitespace(content));
    const std::string fault = secret.empty() ? "it can't be read or is empty" : fault_of_(secret);
    seen_ = written;
    if (fault.empty()) {
      value_ = secret;
    } else {
      telemetry::Guardrail("BILLING_SECRET_ROTATION_REFUSED", {{"fault", fault}});
    }
  }

  const std::string file_;
  const std::function<std::string(std::string_view)> fault_of_;
  std::mutex mutex_;
  std::string value_;                     // guarded by mutex_ where there is a file
  std::filesystem::file_time_type seen_;  // guarded by mutex_
};

}  // namespace

std::vector<config::Setting> ClientSettings() {
  using config::Setting;
  using config::Type;
  return {
      Setting{.flag = kSecretKey,
              .env = "STRIPE_SECRET_KEY",
              .type = Type::kSecret,
              .help = "Secret or restricted key of the Stripe account",
              .alias_env = "STRIPE_API_KEY"},
      Setting{.flag = kApiBase,
              .env = "STRIPE_API_BASE",
              .type = Type::kUrl,
              .fallback = "https://api.stripe.com",
              .help = "Base URL of Stripe's API"},
      Setting{.flag = kConnections,
              .env = "PROVIDER_CONNECTIONS",
              .type = Type::kInt,
              .fallback = "16",
              .help = "Provider calls that run at once; more wait, interactive ones first",
              .min = 1,
              .max = 256},
      Setting{.flag = kAttempts,
              .env = "PROVIDER_ATTEMPTS",
              .type = Type::kInt,
              .fallback = "4",
              .help = "Sendings of one provider call at most, all within its timeout",
              .min = 1,
              .max = 10},
      Setting{.flag = kBackoffBase,
              .env = "PROVIDER_BACKOFF_BASE",
              .type = Type::kDuration,
              .fallback = "500ms",
              .help = "Delay before the first repeated sending; doubles with each",
              .min = 1,
              .max = 60'000},
      Setting{.flag = kBackoffMax,
              .env = "PROVIDER_BACKOFF_MAX",
              .type = Type::kDuration,
              .fallback = "5s",
              .help = "Delay before a repeated sending at most",
              .min = 1,
              .max = 60'000},
  };
}

std::string KeyFault(std::string_view key, std::string_view billing_env) {
  const absl::string_view k = AbslView(key);
  if (!std::all_of(key.begin(), key.end(), IsVisible) || !(absl::StartsWith(k, "sk_") || absl::StartsWith(k, "rk_"))) {
    return "STRIPE_SECRET_KEY is not a secret key (sk_… or rk_…)";
  }
  const bool live_key = absl::StartsWith(k, "sk_live_") || absl::StartsWith(k, "rk_live_");
  const bool live_env = billing_env == kLiveEnv;
  if (live_key && !live_env) return "STRIPE_SECRET_KEY is a live key, but BILLING_ENV is not live";
  if (!live_key && live_env) return "STRIPE_SECRET_KEY is not a live key, but BILLING_ENV is live";
  return "";
}

std::string ApiBaseFault(std::string_view url, std::string_view billing_env) {
  const bool secure = absl::StartsWith(AbslView(url), "https://");
  return billing_env == kLiveEnv && !secure ? "STRIPE_API_BASE must be https:// where BILLING_ENV is live" : "";
}

std::vector<config::CrossCheck> ClientChecks() {
  return {[](const config::Config& config) { return KeyFault(config.Get(kSecretKey), config.Get(kBillingEnv)); },
          [](const config::Config& config) { return ApiBaseFault(config.Get(kApiBase), config.Get(kBillingEnv)); }};
}

std::function<std::string()> RotatingSecret(std::string initial, std::string file,
                                            std::function<std::string(std::string_view secret)> fault_of) {
  auto secret = std::make_shared<SecretFile>(std::move(initial), std::move(file), std::move(fault_of));
  return [secret] { return secret->Get(); };
}

std::unique_ptr<provider::PaymentProvider> MakeProvider(const config::Config& config, Clock& clock, IdGenerator& ids) {
  const std::string env = config.Get(kBillingEnv);
  ClientOptions options;
  options.api_base = std::string(absl::StripSuffix(config.Get(kApiBase), "/"));
  options.secret_key = RotatingSecret(config.Get(kSecretKey), config.SecretFile(kSecretKey),
                                      [env](std::string_view key) { return KeyFault(key, env); });
  options.max_connections = static_cast<int>(config.GetInt(kConnections));
  options.max_attempts = static_cast<int>(config.GetInt(kAttempts));
  options.backoff_base = config.GetDuration(kBackoffBase);
  options.backoff_max = config.GetDuration(kBackoffMax);
  return std::make_unique<StripeProvider>(std::move(options), clock, ids);
}

}  // namespace billmesh::stripe
