#include "common/status/status.h"

#include <set>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"

namespace billmesh {
namespace {

TEST(StatusTest, CarriesReasonCodeAndMetadata) {
  const absl::Status status = Fail(Reason::FAILURE_REASON_CHECKOUT_IN_PROGRESS, "busy", {{"operation", "op1"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_CHECKOUT_IN_PROGRESS);
  EXPECT_EQ(MetadataOf(status).at("operation"), "op1");
  EXPECT_TRUE(IsRetryable(status));
}

TEST(StatusTest, ForeignErrorsHaveNoReason) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), Reason::FAILURE_REASON_UNSPECIFIED);
  EXPECT_EQ(RuleOf(ReasonOf(absl::InternalError("x"))).http_status, 500);
}

// Every code is unique and fully classified: nobody adds a reason without deciding how it is answered.
TEST(StatusTest, EveryReasonIsClassified) {
  const auto* descriptor = billing::types::v1::FailureReason_descriptor();
  std::set<std::string> codes;
  for (int i = 0; i < descriptor->value_count(); ++i) {
    const auto reason = static_cast<Reason>(descriptor->value(i)->number());
    const FailureRule& rule = RuleOf(reason);
    EXPECT_FALSE(rule.code.empty()) << descriptor->value(i)->name();
    EXPECT_TRUE(codes.insert(rule.code).second) << "twice: " << rule.code;
    EXPECT_GE(rule.http_status, 400) << rule.code;
    EXPECT_LE(rule.http_status, 599) << rule.code;
    EXPECT_NE(rule.grpc_code, absl::StatusCode::kOk) << rule.code;
    EXPECT_EQ(ReasonFromCode(rule.code), reason);
  }
}

}  // namespace
}  // namespace billmesh
