#include "services/reconciler/refresh_object_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/lease/lease.h"
#include "common/outbox/refresh_job.h"
#include "common/provider/object_format.h"
#include "common/status/status.h"

namespace billmesh::reconciler {
namespace {

constexpr absl::Duration kStepTimeout = absl::Seconds(15);

constexpr const char* kKinds[] = {
    provider::kCheckoutSessionKind, provider::kSubscriptionKind, provider::kInvoiceKind,        provider::kCustomerKind,
    provider::kPaymentMethodKind,   provider::kPaymentKind,      provider::kChargeKind,         provider::kRefundKind,
    provider::kDisputeKind,         provider::kCreditNoteKind,   provider::kInvoicePaymentKind,
};

JobResult TryAgain(std::string why) { return {JobResult::Kind::kRetry, std::move(why), std::nullopt}; }
JobResult GiveUp(std::string why) { return {JobResult::Kind::kGiveUp, std::move(why), std::nullopt}; }
// The projection audits what it changes.
JobResult Done() { return {JobResult::Kind::kDone, "", std::nullopt}; }

}  // namespace

JobResult RefreshObjectJob::Run(const outbox::Job& job, absl::Duration deadline_monotonic) {
  const auto order = outbox::ReadRefreshOrder(job.payload_json);
  if (!order.ok()) return GiveUp(std::string(order.status().message()));
  const absl::Duration timeout = lease::CallTime(deadline_monotonic, deps_.clock.Monotonic(), kStepTimeout);
  if (timeout == absl::ZeroDuration()) return TryAgain("too little of the lease was left to begin");
  const provider::CallResult found = deps_.provider.Retrieve(
      order->kind, order->id, {.timeout = timeout, .priority = provider::Priority::kBackground});
  if (found.not_found) return Done();
  if (found.outcome != provider::Outcome::kSuccess) return TryAgain(absl::StrCat("retrieve: HTTP ", found.http_status));
  if (!found.provider_date.has_value()) return TryAgain("retrieve: the answer has no Date");
  if (*found.provider_date <= order->after) return TryAgain("the provider's clock still shows the second in question");
  const absl::Duration rest = lease::CallTime(deadline_monotonic, deps_.clock.Monotonic(), kStepTimeout);
  if (rest == absl::ZeroDuration()) return TryAgain("too little of the lease was left to project");
  const auto projected =
      deps_.projection.Project({deps_.provider_name, order->kind, found.object_json, *found.provider_date}, rest);
  if (!projected.ok()) return TryAgain(absl::StrCat("project: ", projected.status().message()));
  return projected->taken ? Done() : GiveUp(absl::StrCat("project: ", projected->outcome));
}

std::map<std::string, JobHandler*> RefreshHandlers(RefreshObjectJob& job) {
  std::map<std::string, JobHandler*> handlers;
  for (const char* kind : kKinds) handlers[absl::StrCat(outbox::kRefreshPrefix, kind)] = &job;
  return handlers;
}

}  // namespace billmesh::reconciler
