// CatalogService on real PostgreSQL: all of a file is applied, or nothing.
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/catalog_fixture.h"

namespace billmesh::checkout {
namespace {

TEST_F(CatalogServiceTest, AppliesAWholeFileAndReadsItBack) {
  const auto report = Apply(File({kFree, kPro}));
  EXPECT_EQ(Summary(report), "create free,create pro");
  EXPECT_TRUE(report->applied);
  EXPECT_EQ(Footprint(), "2/1/2/0/0/2/1");
  const auto catalog = service_.Load();
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  const catalog::Plan* pro = catalog->FindPlan("pro");
  ASSERT_NE(pro, nullptr);
  EXPECT_EQ(pro->trial_days, 7);
  EXPECT_EQ(catalog::CorePrice(*pro, "stripe")->unit_amount_minor, 2900);
  EXPECT_EQ(pro->entitlements.at("sso"), catalog::EntitlementValue(catalog::BooleanEntitlement{true}));
  EXPECT_EQ(catalog->DefaultPlan("workspace")->code, "free");
  EXPECT_EQ(database_.Value("SELECT actor || ' ' || (detail->>'revision') || ' ' || (detail->'create')::text "
                            "FROM billing.audit_log WHERE action = 'BILLING_CATALOG_APPLIED'"),
            R"(service:spiffe://billmesh/operator/ada 2 ["free", "pro"])");
}

TEST_F(CatalogServiceTest, ApplyingAgainWritesNothing) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const std::string before = Footprint();
  const auto again = Apply(File({kPro, kFree}));
  EXPECT_EQ(Summary(again), "unchanged pro,unchanged free");
  EXPECT_FALSE(again->applied);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogServiceTest, ADryRunTellsTheSameAndWritesNothing) {
  const std::string before = Footprint();
  const auto plan = Apply(File({kFree, kPro}), /*dry_run=*/true);
  EXPECT_EQ(Summary(plan), "create free,create pro");
  EXPECT_FALSE(plan->applied);
  EXPECT_EQ(shelf_.asked, 1);
  EXPECT_EQ(Footprint(), before);
}

TEST_F(CatalogServiceTest, PlansStopAndStartBeingSold) {
  ASSERT_TRUE(Apply(File({kFree, kPro})).ok());
  const std::string retired =
      Plan("pro", absl::StrCat("active: false, pricing_model: flat, trial_days: 7, prices: [", Price(2900),
                               "], entitlements: {sso: {schema: entitlement.boolean.v1, enabled: true}}"));
  EXPECT_EQ(Summary(Apply(File({retired}))), "deactivate pro,unchanged free");
  EXPECT_EQ(database_.Value("SELECT active FROM billing.plans WHERE code = 'pro'"), "f");
  EXPECT_EQ(Summary(Apply(File({kPro}))), "activate pro,unchanged free");
  EXPECT_EQ(database_.Value("SELECT active FROM billing.plans WHERE code = 'pro'"), "t");
  EXPECT_EQ(Revision(), "4");
}

TEST_F(CatalogServiceTest, TheDefaultMovesInOneApply) {
  ASSERT_TRUE(Apply(File({kFree})).ok());
  std::string old = kFree;
  old.replace(old.find("default: true"), sizeof("default: true") - 1, "default: false");
  const auto moved = Apply(File({Plan("starter", "pricing_model: flat, default: true"), old}));
  EXPECT_EQ(Summary(moved), "create starter,update free");
  EXPECT_EQ(database_.Value("SELECT string_agg(code, ',') FROM billing.plans WHERE is_default AND active"), "starter");
}

TEST_F(CatalogServiceTest, WritersTakeTurnsAndOneApplies) {
  constexpr int kWriters = 6;
  std::vector<absl::StatusOr<ApplyReport>> reports(kWriters, absl::InternalError("did not run"));
  std::vector<std::thread> writers;
  for (int n = 0; n < kWriters; ++n) {
    writers.emplace_back([&, n] {
      reports[n] = service_.Apply(operator_, File({kFree}), false, database_.clock().Monotonic() + absl::Minutes(1));
    });
  }
  for (std::thread& writer : writers) writer.join();
  int applied = 0;
  for (const auto& report : reports) {
    ASSERT_TRUE(report.ok()) << report.status();
    applied += report->applied ? 1 : 0;
  }
  EXPECT_EQ(applied, 1);
  EXPECT_EQ(Footprint(), "1/0/1/0/0/2/1");
}

}  // namespace
}  // namespace billmesh::checkout
