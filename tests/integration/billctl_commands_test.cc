// billctl against real servers: gRPC over mTLS, PostgreSQL, and prices at the Stripe simulator.
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/crypto/crypto.h"
#include "common/daemon/daemon.h"
#include "nlohmann/json.hpp"
#include "tests/integration/billctl_fixture.h"

namespace billmesh::billctl {
namespace {

using nlohmann::json;

class CommandsTest : public ServersFixture {
 protected:
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static std::string SampleCatalog() {
    return testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/deploy/local/catalog.yaml";
  }
  static std::string TempPath(const std::string& name) {
    return absl::StrCat(::testing::TempDir(), "billctl_", crypto::HexEncode(crypto::RandomBytes(4)), "_", name);
  }
  size_t SimCount(const std::string& path) { return json::parse(Sim(path).body)["data"].size(); }
  static bool OneLine(const std::string& text) {
    return std::count(text.begin(), text.end(), '\n') == 1 && text.back() == '\n';
  }
};

TEST_F(CommandsTest, WorkspacesAreMadeOnceAndShown) {
  EXPECT_EQ(Run({"workspace", "ensure", "--slug", "acme", "--name", "Acme", "--owner", "user-1", "--json"}), 0)
      << err();
  const json made = json::parse(out());
  EXPECT_TRUE(made["created"].get<bool>());
  const std::string id = made["entity"]["entityId"];
  EXPECT_EQ(
      database_.Value("SELECT ref || ' ' || slug || ' ' || display_name FROM billing.entities WHERE id = $1", {id}),
      "acme acme Acme");
  EXPECT_EQ(Run({"workspace", "ensure", "--slug", "acme", "--json"}), 0) << err();
  EXPECT_FALSE(json::parse(out())["created"].get<bool>());
  EXPECT_EQ(json::parse(out())["entity"]["entityId"], id);
  EXPECT_EQ(Run({"workspace", "ensure", "--slug", "acme"}), 0);
  EXPECT_EQ(out(), absl::StrCat("found workspace acme (", id, ")\n"));
  EXPECT_EQ(Run({"workspace", "subscription", "--workspace=acme"}), 0) << err();
  EXPECT_EQ(out(), "no current subscription\n");
}

TEST_F(CommandsTest, MembersComeAndGo) {
  ASSERT_EQ(Run({"workspace", "ensure", "--slug=acme", "--owner=ann"}), 0) << err();
  EXPECT_EQ(Run({"workspace", "member", "--slug=acme", "--subject=bob", "--role=admin"}), 0) << err();
  EXPECT_EQ(out(), "changed: bob has role admin in acme\n");
  EXPECT_EQ(Run({"workspace", "member", "--slug=acme", "--subject=bob", "--role=admin", "--json"}), 0);
  EXPECT_EQ(json::parse(out())["changed"], false);
  EXPECT_EQ(Run({"workspace", "member", "--slug=acme", "--subject=bob", "--role=none"}), 0) << err();
  EXPECT_EQ(database_.Value("SELECT string_agg(subject, ',') FROM billing.entity_members"), "ann");
  EXPECT_EQ(Run({"workspace", "member", "--slug=acme", "--subject=ann", "--role=none"}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  EXPECT_NE(err().find("constraint_violation"), std::string::npos) << err();
}

TEST_F(CommandsTest, FaultsAreOneLineWithTheRightExitCode) {
  ASSERT_EQ(Run({"workspace", "ensure", "--slug=acme"}), 0) << err();
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"workspace", "ensure", "--slug=acme", "--ref=other"}, 1, "already_exists"},
      {{"workspace", "ensure", "--slug=Not A Slug"}, 1, "invalid_argument: slug"},
      {{"workspace", "ensure"}, 2, "--slug is required"},
      {{"workspace", "member", "--slug=acme", "--subject=bob", "--role=king"}, 2, "--role"},
      {{"workspace", "member", "--slug=nobody", "--subject=bob", "--role=admin"}, 1, "entity_not_found"},
      {{"workspace", "subscription"}, 2, "--workspace"},
      {{"workspace", "subscription", "--workspace=a", "--entity=b"}, 2, "--workspace"},
      {{"catalog", "apply", "/nowhere/catalog.yaml"}, 2, "can't be read"},
      {{"outbox", "requeue", "not-an-id"}, 1, "invalid_argument: job_id"},
      {{"outbox", "dead", "--page-size=0"}, 2, "page-size"},
      {{"reconcile", "run", "everything"}, 1, "invalid_argument: scope"},
      {{"reconcile", "runs", "--scope=everything"}, 1, "invalid_argument: scope"},
      {{"reconcile", "runs", "--page-token=forged"}, 1, "invalid_argument: page_token"},
      {{"reconcile", "runs", "--page-size=101"}, 2, "page-size"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Run(c.arguments), c.exit_code) << err();
    EXPECT_TRUE(OneLine(err())) << err();
    EXPECT_NE(err().find(c.says), std::string::npos) << err();
    EXPECT_EQ(out(), "");
  }
}

TEST_F(CommandsTest, OnlyOperatorsAndServicesGetIn) {
  UseCertificate("webhook");
  EXPECT_EQ(Run({"workspace", "ensure", "--slug=acme"}), 1);
  EXPECT_NE(err().find("permission_denied"), std::string::npos) << err();
  UseCertificate("service");
  EXPECT_EQ(Run({"workspace", "ensure", "--slug=acme"}), 0) << err();
  EXPECT_EQ(Run({"catalog", "plan", SampleCatalog()}), 1);
  EXPECT_NE(err().find("permission_denied"), std::string::npos) << err();
}

TEST_F(CommandsTest, ADaemonThatIsAwayIsNamed) {
  environment_["CHECKOUT_ADDR"] = absl::StrCat("127.0.0.1:", testing::FreePort());
  EXPECT_EQ(Run({"workspace", "ensure", "--slug=acme", "--timeout=2s"}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  EXPECT_NE(err().find("checkout daemon at 127.0.0.1:"), std::string::npos) << err();
  environment_.erase("CHECKOUT_ADDR");
  EXPECT_EQ(Run({"workspace", "ensure", "--slug=acme"}), 2);
  EXPECT_NE(err().find("CHECKOUT_ADDR is required"), std::string::npos) << err();
}

TEST_F(CommandsTest, TheSampleCatalogIsProvisionedPlannedAndAppliedOnce) {
  const std::string resolved = TempPath("catalog.yaml");
  ASSERT_EQ(Run({"catalog", "apply", SampleCatalog()}), 1) << "prices without ids can't be sold";
  EXPECT_NE(err().find("catalog_invalid: line "), std::string::npos) << err();

  ASSERT_EQ(Run({"catalog", "provision", SampleCatalog(), "--out", resolved, "--json"}), 0) << err();
  const json prices = json::parse(out())["prices"];
  EXPECT_EQ(prices.size(), 5u);
  for (const json& price : prices) EXPECT_TRUE(price["created"].get<bool>()) << price;
  EXPECT_EQ(SimCount("/v1/prices?limit=100"), 5u);
  EXPECT_EQ(SimCount("/v1/prices?limit=100&type=one_time"), 1u);
  EXPECT_EQ(SimCount("/v1/products?limit=100"), 5u);

  ASSERT_EQ(Run({"catalog", "plan", resolved}), 0) << err();
  EXPECT_NE(out().find("create pro-monthly-v1\n"), std::string::npos) << out();
  EXPECT_NE(out().find("6 changes to apply\n"), std::string::npos) << out();
  EXPECT_EQ(database_.Value("SELECT count(*) FROM billing.plans"), "0");

  ASSERT_EQ(Run({"catalog", "apply", resolved, "--json"}), 0) << err();
  EXPECT_TRUE(json::parse(out())["applied"].get<bool>());
  EXPECT_EQ(database_.Value("SELECT string_agg(code, ' ' ORDER BY code) FROM billing.plans WHERE active"),
            "extra-projects-v1 free-v1 pro-monthly-v1 pro-yearly-v1 team-monthly-v1");

  EXPECT_EQ(database_.Value("SELECT code FROM billing.catalog_items WHERE active"), "credits-1000-v1");

  // Everything again, as a second `up` does: found, and nothing to change.
  const std::string again = TempPath("catalog.yaml");
  ASSERT_EQ(Run({"catalog", "provision", SampleCatalog(), "--out", again}), 0) << err();
  EXPECT_EQ(ReadFile(again), ReadFile(resolved));
  EXPECT_EQ(SimCount("/v1/prices?limit=100"), 5u);
  EXPECT_EQ(SimCount("/v1/products?limit=100"), 5u);
  ASSERT_EQ(Run({"catalog", "apply", again}), 0) << err();
  EXPECT_NE(out().find("nothing to change\n"), std::string::npos) << out();
}

TEST_F(CommandsTest, AnExportedCatalogIsAFileThatChangesNothing) {
  const std::string resolved = TempPath("catalog.yaml"), exported = TempPath("catalog.yaml");
  ASSERT_EQ(Run({"catalog", "provision", SampleCatalog(), "--out", resolved}), 0) << err();
  ASSERT_EQ(Run({"catalog", "apply", resolved}), 0) << err();
  ASSERT_EQ(Run({"catalog", "export", "--out", exported}), 0) << err();
  EXPECT_EQ(out(), "");
  ASSERT_EQ(Run({"catalog", "apply", exported}), 0) << err();
  EXPECT_NE(out().find("unchanged item credits-1000-v1\n"), std::string::npos) << out();
  EXPECT_NE(out().find("nothing to change\n"), std::string::npos) << out();
  // To standard output, alone and in JSON.
  ASSERT_EQ(Run({"catalog", "export"}), 0) << err();
  EXPECT_EQ(out(), ReadFile(exported));
  ASSERT_EQ(Run({"catalog", "export", "--json"}), 0) << err();
  EXPECT_EQ(json::parse(out())["yaml"], ReadFile(exported));
}

TEST_F(CommandsTest, ProvisionWritesTheFileToStandardOutputAndTheRestBesideIt) {
  ASSERT_EQ(Run({"catalog", "provision", SampleCatalog()}), 0) << err();
  EXPECT_NE(out().find("provider_price_id: price_"), std::string::npos);
  EXPECT_NE(err().find("made pro-monthly-v1 base: price_"), std::string::npos) << err();
}

TEST_F(CommandsTest, AChangedPriceIsRefusedWithItsLineAtEachDoor) {
  const std::string resolved = TempPath("catalog.yaml"), dearer = TempPath("catalog.yaml");
  ASSERT_EQ(Run({"catalog", "provision", SampleCatalog(), "--out", resolved}), 0) << err();
  ASSERT_EQ(Run({"catalog", "apply", resolved}), 0) << err();
  const auto write = [&](const std::string& from) {
    std::ofstream(dearer) << absl::StrReplaceAll(ReadFile(from),
                                                 {{"unit_amount_minor: 2900\n", "unit_amount_minor: 3900\n"}});
  };
  // The published version, in place.
  write(resolved);
  EXPECT_EQ(Run({"catalog", "apply", dearer}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  EXPECT_NE(err().find("already_exists: line "), std::string::npos) << err();
  EXPECT_NE(err().find("pro-monthly-v1"), std::string::npos) << err();
  EXPECT_NE(err().find("2900 → 3900"), std::string::npos) << err();
  // The provider's price under our lookup key.
  write(SampleCatalog());
  EXPECT_EQ(Run({"catalog", "provision", dearer}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  EXPECT_NE(err().find("costs 2900"), std::string::npos) << err();
  // A price that the provider doesn't have.
  std::ofstream(dearer)
      << "schema: billmesh.catalog.v1\nplans: [{code: x-v1, family: x, version: 1, name: X, pricing_model: flat, "
         "prices: [\n"
         "{component: base, interval: month, currency: eur, unit_amount_minor: 1, provider_product_id: prod_x, "
         "provider_price_id: price_x}]}]\n";
  EXPECT_EQ(Run({"catalog", "apply", dearer}), 1);
  EXPECT_NE(err().find("catalog_invalid: line 3: plans[x-v1].prices[0]: the provider has no price price_x"),
            std::string::npos)
      << err();
}

TEST_F(CommandsTest, AWrongProviderKeyIsSaidAndNothingIsMade) {
  environment_["STRIPE_SECRET_KEY"] = "sk_test_wrong";
  EXPECT_EQ(Run({"catalog", "provision", SampleCatalog()}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  EXPECT_NE(err().find("provider_unavailable"), std::string::npos) << err();
  EXPECT_EQ(err().find("sk_test_wrong"), std::string::npos) << "a key was printed";
  EXPECT_EQ(SimCount("/v1/prices?limit=100"), 0u);
}

TEST_F(CommandsTest, DeadLettersAreShownPageByPageAndRequeued) {
  for (int n = 0; n < 3; ++n) {
    database_.Admin(
        "INSERT INTO billing.outbox_jobs (id, env, job_type, dedupe_key, payload, status, attempts, last_error, "
        "finished_at) "
        "VALUES ($1, 'test', 'expire_checkout_session', $2, '{}', 'dead', 12, 'no answer', billing.now())",
        {database_.ids().NewId(), absl::StrCat("k", n)});
  }
  ASSERT_EQ(Run({"outbox", "dead", "--page-size=2", "--json"}), 0) << err();
  const json first = json::parse(out());
  EXPECT_EQ(first["jobs"].size(), 2u);
  const std::string token = first["nextPageToken"];
  ASSERT_EQ(Run({"outbox", "dead", "--page-size=2", "--page-token=" + token, "--json"}), 0) << err();
  EXPECT_EQ(json::parse(out())["jobs"].size(), 1u);
  EXPECT_EQ(json::parse(out())["nextPageToken"], "");
  const std::string id = first["jobs"][0]["jobId"];
  EXPECT_EQ(Run({"outbox", "requeue", id}), 0) << err();
  EXPECT_EQ(out(), absl::StrCat("requeued ", id, "\n"));
  EXPECT_EQ(Run({"outbox", "requeue", id}), 0) << err();
  EXPECT_EQ(out(), absl::StrCat("not dead, left as it is: ", id, "\n"));
  ASSERT_EQ(Run({"outbox", "dead"}), 0) << err();
  EXPECT_NE(out().find("expire_checkout_session  12 attempts: no answer"), std::string::npos) << out();
}

TEST_F(CommandsTest, RunsAreAskedForAndShown) {
  // No runner is here, so the run is still to begin when the wait is over.
  ASSERT_EQ(Run({"reconcile", "run", "pending_recent", "--timeout=800ms", "--json"}), 0) << err();
  const json first = json::parse(out());
  EXPECT_EQ(first["started"], true);
  EXPECT_EQ(first["run"]["status"], "RUN_STATUS_RUNNING");
  EXPECT_EQ(first["run"]["trigger"], "RUN_TRIGGER_MANUAL");
  const std::string id = first["run"]["runId"];
  EXPECT_EQ(database_.Value("SELECT count(*) || min(actor) || min(detail->>'run_id') FROM billing.audit_log "
                            "WHERE action = 'BILLING_RECONCILIATION_REQUESTED'"),
            absl::StrCat("1", first["run"]["requestedBy"].get<std::string>(), id));
  EXPECT_EQ(Run({"reconcile", "run", "pending_recent"}), 0) << err();
  EXPECT_EQ(out().find("active already, none started\n" + id), 0u) << out();
  database_.Admin(
      "UPDATE billing.reconciliation_runs SET status = 'failed', error = 'no way', finished_at = billing.now(), "
      "scanned = 3, drifted = 2, failed = 1, "
      "samples = '[{\"subject\":\"op\",\"kind\":\"checkout\",\"result\":\"failed\",\"detail\":\"why\"}]'");
  ASSERT_EQ(Run({"reconcile", "runs"}), 0) << err();
  EXPECT_NE(out().find("pending_recent  manual  failed: scanned 3, drifted 2, repaired 0, failed 1; no way\n"),
            std::string::npos)
      << out();
  ASSERT_EQ(Run({"reconcile", "runs", "--scope=pending_recent", "--json"}), 0) << err();
  EXPECT_EQ(json::parse(out())["runs"][0]["samples"][0]["detail"], "why");
  UseCertificate("service");
  EXPECT_EQ(Run({"reconcile", "runs"}), 1) << "services may not";
}

TEST_F(CommandsTest, MigrateBringsAnEmptyDatabaseToThisVersion) {
  const std::string name = "billmesh_t_migrate_" + crypto::HexEncode(crypto::RandomBytes(6));
  database_.AdminScript("CREATE DATABASE " + name);
  const std::string admin = database_.AdminUrl();
  environment_["DATABASE_URL"] = admin.substr(0, admin.rfind('/') + 1) + name;
  environment_["MIGRATIONS_DIR"] = testing::RequiredEnv("BILLMESH_SOURCE_ROOT") + "/deploy/migrations";
  EXPECT_EQ(Run({"schema-version"}), 1) << out();
  ASSERT_EQ(Run({"migrate"}), 0) << err();
  EXPECT_NE(out().find("applied 0001_"), std::string::npos) << out();
  ASSERT_EQ(Run({"migrate", "--json"}), 0) << err();
  EXPECT_EQ(json::parse(out())["applied"], json::array());
  EXPECT_EQ(Run({"schema-version"}), 0) << err();
  EXPECT_EQ(out(), absl::StrCat("schema version ", daemon::kSchemaVersion, "\n"));
  EXPECT_EQ(Run({"verify", "--settled"}), 0) << out() << err();
  EXPECT_EQ(Run({"migrate", "--dir=/nowhere"}), 1);
  EXPECT_TRUE(OneLine(err())) << err();
  database_.AdminScript("DROP DATABASE " + name + " WITH (FORCE)");
}

}  // namespace
}  // namespace billmesh::billctl
