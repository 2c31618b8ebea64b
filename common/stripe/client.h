// Stripe behind the PaymentProvider port: the one place that speaks to it (CFG-3). There is no official
// C++ client; this one follows the official ones' rules for versions, keys and retries.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/http/client.h"
#include "common/ids/id_generator.h"
#include "common/provider/payment_provider.h"
#include "common/stripe/client_gate.h"
#include "common/stripe/client_outcome.h"
#include "common/time/clock.h"

namespace billmesh::stripe {

inline constexpr char kProviderName[] = "stripe";
inline constexpr char kApiVersion[] = "2026-10-28.endive";
inline constexpr char kClientName[] = "billmesh-stripe";
// The major version guards replays (IDM-7): raise it when equal parameters give another request.
inline constexpr char kClientVersion[] = "1.0.0";

struct ClientOptions {
  std::string api_base = "https://api.stripe.com";  // without a trailing slash
  // Read before every sending, so that the key rotates without a restart (CFG-5). Thread safe.
  std::function<std::string()> secret_key;
  int max_connections = 16;  // calls that run at once; more wait, interactive ones first
  int max_attempts = 4;      // sendings of one call, all within its timeout
  absl::Duration backoff_base = absl::Milliseconds(500);
  absl::Duration backoff_max = absl::Seconds(5);
  absl::Duration account_timeout = absl::Seconds(5);  // of GetProvenance's one call
  // How to wait between sendings; tests advance their clock instead.
  std::function<void(absl::Duration)> sleep;
};

class StripeProvider : public provider::PaymentProvider {
 public:
  // Clock and ids must outlive the provider. An empty `sleep` really sleeps.
  StripeProvider(ClientOptions options, Clock& clock, IdGenerator& ids);

  // One GET /v1/account for each key that is used, kept afterwards.
  absl::StatusOr<provider::Provenance> GetProvenance() override;
  provider::CallResult Send(const provider::FrozenCall& call, const provider::CallOptions& options) override;
  provider::CallResult Retrieve(std::string_view kind, std::string_view id,
                                const provider::CallOptions& options) override;
  provider::CallResult List(std::string_view kind, const provider::ListQuery& query,
                            const provider::CallOptions& options) override;
  provider::CallResult ExpireCheckoutSession(std::string_view id, std::string_view idempotency_key,
                                             const provider::CallOptions& options) override;

 private:
  struct Call {
    std::string_view endpoint;  // template, for metrics
    std::string method;
    std::string target;  // path and query
    std::string body;
    std::string idempotency_key;      // of a POST
    bool may_have_been_sent = false;  // see FrozenCall
  };
  provider::CallResult Perform(const Call& call, const provider::CallOptions& options);
  provider::CallResult WithAllItems(provider::CallResult subscription, std::string_view id,
                                    const provider::CallOptions& options);
  provider::CallResult SendUntilSettled(const Call& call, const provider::CallOptions& options);
  http::ClientRequest MakeRequest(const Call& call) const;
  void WatchApiVersion(const http::ClientResponse& response);

  const ClientOptions options_;
  Clock& clock_;
  IdGenerator& ids_;
  http::Client http_;
  CallGate gate_;
  std::mutex mutex_;
  std::string account_key_hash_;  // of the key that account_id_ belongs to; guarded by mutex_
  std::string account_id_;        // guarded by mutex_
};

}  // namespace billmesh::stripe
