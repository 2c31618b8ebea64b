// Settings of the checkout daemon, and what they mean.
#pragma once

#include <string>
#include <vector>

#include "common/config/config.h"
#include "services/checkout/checkout_action.h"
#include "services/checkout/operation_kernel.h"
#include "services/checkout/session_refresh.h"

namespace billmesh::checkout {

// Those of every daemon with a database and of the Stripe client included.
std::vector<config::Setting> CheckoutSettings();
std::vector<config::CrossCheck> CheckoutChecks();

struct CheckoutConfig {
  std::string env;
  std::string currency;         // lower case
  std::string public_base_url;  // without a trailing slash
  std::string operation_key_secret;
  KernelTimes kernel_times;
  CheckoutTimes checkout_times;
  RefreshTimes refresh_times;
  std::string webhook_addr;  // host:port
};

// Of a configuration that passed the checks.
CheckoutConfig ReadCheckoutConfig(const config::Config& config);

// What is wrong with a public base URL, in words; empty if nothing.
std::string BaseUrlFault(std::string_view url, std::string_view billing_env);

}  // namespace billmesh::checkout
