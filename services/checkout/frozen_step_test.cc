#include "services/checkout/frozen_step.h"

#include <set>

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

const provider::Provenance kProvenance{"stripe", "2026-10-28.endive", "acct_1", "billmesh-stripe", "1.0.0"};

StepDraft Draft() {
  return {.id = "step-1",
          .entity_id = "entity-1",
          .operation_id = "operation-1",
          .ordinal = 1,
          .purpose = "create_checkout_session",
          .operation_key = "abc",
          .params = {R"({"a":1})", "stripe.checkout_session.v1"}};
}

TEST(FreezeTest, HoldsParametersHashProvenanceAndDeadline) {
  const absl::Time now = absl::FromUnixSeconds(1790000000) + absl::Milliseconds(999);
  const FrozenStep step = Freeze(Draft(), kProvenance, now, absl::Hours(23));
  EXPECT_EQ(step.params_json, R"({"a":1})");
  EXPECT_EQ(step.params_sha256, "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
  EXPECT_EQ(step.idempotency_key, "abc-create_checkout_session-1");
  EXPECT_EQ(step.provenance.account_id, "acct_1");
  EXPECT_EQ(step.frozen_at, absl::FromUnixSeconds(1790000000));
  EXPECT_EQ(step.replay_deadline_at, step.frozen_at + absl::Hours(23));
  EXPECT_EQ(step.outcome, StepOutcome::kPending);
}

TEST(VerifyFrozenTest, FailsClosedOnAnyChange) {
  FrozenStep step = Freeze(Draft(), kProvenance, absl::FromUnixSeconds(1790000000), absl::Hours(23));
  EXPECT_TRUE(VerifyFrozen(step).ok());
  FrozenStep params = step;
  params.params_json = R"({"a":2})";
  EXPECT_EQ(ReasonOf(VerifyFrozen(params)), Reason::FAILURE_REASON_FROZEN_REQUEST_TAMPERED);
  FrozenStep hash = step;
  hash.params_sha256[0] ^= 1;
  EXPECT_EQ(ReasonOf(VerifyFrozen(hash)), Reason::FAILURE_REASON_FROZEN_REQUEST_TAMPERED);
  hash.params_sha256.clear();
  EXPECT_EQ(ReasonOf(VerifyFrozen(hash)), Reason::FAILURE_REASON_FROZEN_REQUEST_TAMPERED);
}

TEST(OperationKeyTest, DependsOnEveryPart) {
  const std::set<std::string> keys = {
      OperationKey("s", "checkout", "e", "k", "r"),   OperationKey("t", "checkout", "e", "k", "r"),
      OperationKey("s", "portal", "e", "k", "r"),     OperationKey("s", "checkout", "f", "k", "r"),
      OperationKey("s", "checkout", "e", "l", "r"),   OperationKey("s", "checkout", "e", "k", "q"),
      OperationKey("s", "checkout", "e", "k|x", "r"),
  };
  EXPECT_EQ(keys.size(), 7u);
  EXPECT_EQ(OperationKey("s", "checkout", "e", "k", "r"), OperationKey("s", "checkout", "e", "k", "r"));
  EXPECT_EQ(OperationKey("s", "checkout", "e", "k", "r").size(), 64u);
}

TEST(ProviderKeyTest, IsOfOneStepOnlyAndFitsTheProvidersBound) {
  const std::string operation = OperationKey("s", "checkout", "e", "k", "r");
  EXPECT_NE(ProviderKey(operation, "create_customer", 1), ProviderKey(operation, "create_customer", 2));
  EXPECT_NE(ProviderKey(operation, "create_customer", 1), ProviderKey(operation, "create_checkout_session", 1));
  EXPECT_LE(ProviderKey(operation, "create_checkout_session", 1'000'000).size(), 255u);
}

}  // namespace
}  // namespace billmesh::checkout
