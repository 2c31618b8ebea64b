// billmesh-checkout: what a tenant may buy, and buying it exactly once.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/config/config.h"
#include "common/daemon/daemon.h"
#include "common/stripe/client_config.h"
#include "common/stripe/client_format.h"
#include "common/stripe/client_prices.h"
#include "services/checkout/account_server.h"
#include "services/checkout/actions.h"
#include "services/checkout/catalog_server.h"
#include "services/checkout/checkout_config.h"
#include "services/checkout/checkout_server.h"
#include "services/checkout/grpc_projection_peer.h"
#include "services/checkout/payment_method_sync.h"
#include "services/checkout/session_refresh.h"

namespace billmesh {
namespace {

constexpr char kProgram[] = "billmesh-checkout";
constexpr char kSummary[] = "Sells plans to billable entities, each purchase exactly once, whatever crashes.";

int Run(const config::Config& config) {
  auto made = daemon::Daemon::Create({.name = "checkout"}, config);
  if (!made.ok()) {
    std::fprintf(stderr, "%s: %s\n", kProgram, std::string(made.status().message()).c_str());
    return 1;
  }
  daemon::Daemon& daemon = **made;
  const checkout::CheckoutConfig settings = checkout::ReadCheckoutConfig(config);

  const auto provider = stripe::MakeProvider(config, daemon.clock(), daemon.ids());
  const stripe::StripeFormat format;
  const stripe::StripePriceFormat prices;

  checkout::OperationKernel kernel({.pool = daemon.pool(),
                                    .clock = daemon.clock(),
                                    .ids = daemon.ids(),
                                    .provider = *provider,
                                    .format = format,
                                    .env = settings.env,
                                    .operation_key_secret = settings.operation_key_secret,
                                    .holder = "checkout/" + daemon.ids().NewId(),
                                    .times = settings.kernel_times});
  const checkout::Actions actions({.ids = daemon.ids(),
                                   .format = format,
                                   .currency = settings.currency,
                                   .public_base_url = settings.public_base_url,
                                   .times = settings.checkout_times});
  checkout::GrpcProjectionPeer projection(rpc::MakeChannel(settings.webhook_addr, daemon.tls()));
  checkout::SessionRefresher refresher({.pool = daemon.pool(),
                                        .clock = daemon.clock(),
                                        .ids = daemon.ids(),
                                        .provider = *provider,
                                        .format = format,
                                        .projection = projection,
                                        .env = settings.env,
                                        .times = settings.refresh_times});
  const checkout::PaymentMethodSync methods({daemon.pool(), daemon.clock(), *provider, format, projection});
  checkout::CheckoutService service({.pool = daemon.pool(),
                                     .kernel = kernel,
                                     .actions = actions,
                                     .refresher = refresher,
                                     .methods = methods,
                                     .env = settings.env});

  checkout::CheckoutServer checkouts(daemon.calls(), service);
  checkout::AccountServer accounts(
      {.calls = daemon.calls(), .pool = daemon.pool(), .ids = daemon.ids(), .env = settings.env});
  checkout::CatalogServer catalog({.calls = daemon.calls(),
                                   .pool = daemon.pool(),
                                   .ids = daemon.ids(),
                                   .clock = daemon.clock(),
                                   .provider = *provider,
                                   .prices = prices,
                                   .env = settings.env,
                                   .currency = settings.currency});
  return daemon.Serve({&checkouts, &accounts, &catalog});
}

int Main(int argc, char** argv) {
  const config::Parsed parsed =
      config::Parse(kProgram, kSummary, checkout::CheckoutSettings(), checkout::CheckoutChecks(), argc, argv,
                    [](const char* name) -> const char* { return std::getenv(name); });
  if (!parsed.config.has_value()) {
    std::fprintf(parsed.exit_code == 0 ? stdout : stderr, "%s\n", parsed.message.c_str());
    return parsed.exit_code;
  }
  if (parsed.config->check_only()) return 0;
  return Run(*parsed.config);
}

}  // namespace
}  // namespace billmesh

int main(int argc, char** argv) { return billmesh::Main(argc, argv); }
