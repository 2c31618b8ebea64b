// The servers that billctl calls, in this process on real PostgreSQL with real mTLS, and the Stripe simulator beside
// them.
#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/auth/user_assertion.h"
#include "common/http/client.h"
#include "common/rpc/executor.h"
#include "common/rpc/server.h"
#include "common/stripe/client.h"
#include "common/stripe/client_prices.h"
#include "common/testing/process.h"
#include "common/testing/test_database.h"
#include "deploy/billctl/command_line.h"
#include "gtest/gtest.h"
#include "services/checkout/account_server.h"
#include "services/checkout/catalog_server.h"
#include "services/reconciler/operations_server.h"
#include "services/reconciler/reconciler_server.h"
#include "tests/support/simulator_process.h"

namespace billmesh::billctl {

inline constexpr char kSecretKey[] = "sk_test_billctl";

class ServersFixture : public ::testing::Test {
 protected:
  ServersFixture()
      : identity_(testing::RequiredEnv("BILLMESH_DEV_DIR")),
        verifier_(std::move(*auth::AssertionVerifier::Create(identity_ + "/assertion.jwks.json", database_.clock()))),
        calls_(database_.clock(), executor_, verifier_.get()),
        provider_({.api_base = sim_.url(), .secret_key = [] { return std::string(kSecretKey); }, .sleep = {}},
                  database_.clock(), database_.ids()),
        account_({.calls = calls_, .pool = database_.Pool("checkout"), .ids = database_.ids(), .env = "test"}),
        catalog_({.calls = calls_,
                  .pool = database_.Pool("checkout"),
                  .ids = database_.ids(),
                  .clock = database_.clock(),
                  .provider = provider_,
                  .prices = prices_,
                  .env = "test",
                  .currency = "eur"}),
        operations_({.calls = calls_, .pool = database_.Pool("reconciler"), .ids = database_.ids(), .env = "test"}),
        runs_({.calls = calls_,
               .pool = database_.Pool("reconciler"),
               .ids = database_.ids(),
               .env = "test",
               .provider = "stripe",
               .scopes = {reconciler::kPendingRecent}}),
        checkout_(Serve("checkout", {&account_, &catalog_})),
        reconciler_(Serve("reconciler", {&operations_, &runs_})) {
    UseCertificate("operator");
  }
  ~ServersFixture() override {
    checkout_->Drain(absl::Seconds(1));
    reconciler_->Drain(absl::Seconds(1));
  }

  void UseCertificate(const std::string& name) {
    environment_ = {{"CHECKOUT_ADDR", absl::StrCat("127.0.0.1:", checkout_->port())},
                    {"RECONCILER_ADDR", absl::StrCat("127.0.0.1:", reconciler_->port())},
                    {"CA_CERT", identity_ + "/ca.pem"},
                    {"CLIENT_CERT", identity_ + "/" + name + ".pem"},
                    {"CLIENT_KEY", identity_ + "/" + name + ".key"},
                    {"STRIPE_SECRET_KEY", kSecretKey},
                    {"STRIPE_API_BASE", sim_.url()},
                    {"BILLING_CURRENCY", "eur"}};
  }
  // Runs a command as the binary would; what it said is in out() and err().
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(
        AllCommands(), arguments,
        [this](const char* name) -> const char* {
          const auto it = environment_.find(name);
          return it == environment_.end() ? nullptr : it->second.c_str();
        },
        database_.clock(), database_.ids(), out_, err_);
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  http::ClientResponse Sim(const std::string& path) { return sim_.Send("GET", path); }
  rpc::TlsFiles Tls(const std::string& name) const {
    return {identity_ + "/ca.pem", identity_ + "/" + name + ".pem", identity_ + "/" + name + ".key"};
  }
  std::unique_ptr<rpc::Server> Serve(const std::string& name, const std::vector<grpc::Service*>& services) {
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0", .tls = Tls(name)}, services);
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(*server);
  }

  testing::TestDatabase database_;
  std::map<std::string, std::string> environment_;
  const std::string identity_;
  testing::SimulatorProcess sim_{kSecretKey};
  rpc::Executor executor_{4, 64};
  std::unique_ptr<auth::AssertionVerifier> verifier_;
  rpc::CallHost calls_;
  stripe::StripeProvider provider_;
  stripe::StripePriceFormat prices_;
  checkout::AccountServer account_;
  checkout::CatalogServer catalog_;
  reconciler::OperationsServer operations_;
  reconciler::ReconcilerServer runs_;
  std::unique_ptr<rpc::Server> checkout_, reconciler_;
  std::ostringstream out_, err_;
};

}  // namespace billmesh::billctl
