// The settings of the Stripe client, for every daemon that speaks to the provider.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/ids/id_generator.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"

namespace billmesh::stripe {

// stripe-secret-key, stripe-api-base, provider-connections, provider-attempts, provider-backoff-base,
// provider-backoff-max.
std::vector<config::Setting> ClientSettings();

// CFG-2: the key is well formed, and it is a live key exactly where BILLING_ENV is live; there the provider is reached
// by https only.
std::vector<config::CrossCheck> ClientChecks();

// What is wrong with a key for this environment, in words that don't hold the key; empty if nothing.
std::string KeyFault(std::string_view key, std::string_view billing_env);

// What is wrong with a base URL for this environment; empty if nothing. A live key never goes out in clear.
std::string ApiBaseFault(std::string_view url, std::string_view billing_env);

// A secret that may stand in a mounted file: each call gives the present one, read again when the file
// changed (CFG-5). A file that can't be read, or whose new content has a fault, leaves the last good one
// in use and raises the guardrail BILLING_SECRET_ROTATION_REFUSED. Thread safe.
std::function<std::string()> RotatingSecret(std::string initial, std::string file,
                                            std::function<std::string(std::string_view secret)> fault_of);

// The client as configured; needs the daemon's billing-env as well. Clock and ids must outlive it.
std::unique_ptr<provider::PaymentProvider> MakeProvider(const config::Config& config, Clock& clock, IdGenerator& ids);

}  // namespace billmesh::stripe
