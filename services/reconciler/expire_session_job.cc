#include "services/reconciler/expire_session_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audit/digest.h"
#include "common/json/json.h"
#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/metrics.h"
#include "nlohmann/json.hpp"
#include "services/reconciler/fault_points.h"

namespace billmesh::reconciler {
namespace {

using provider::CallResult;
using provider::Outcome;

constexpr char kAttempt[] = "BILLING_ORPHAN_CHECKOUT_SESSION_CLEANUP_ATTEMPT";
constexpr char kFailure[] = "BILLING_ORPHAN_CHECKOUT_SESSION_CLEANUP_FAILURE";
constexpr char kActor[] = "worker:outbox";

// Of one call, its retries included; less where the lease leaves less.
constexpr absl::Duration kCallTimeout = absl::Seconds(15);

struct Payload {
  std::string session_id;
  std::string operation_key;
};

absl::StatusOr<Payload> ReadPayload(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json json, json::Parse(text));
  Payload payload;
  for (const auto& [name, out] :
       {std::pair{"provider_session_id", &payload.session_id}, std::pair{"operation_key", &payload.operation_key}}) {
    const auto it = json.find(name);
    if (it == json.end() || !it->is_string() || it->get_ref<const std::string&>().empty()) {
      return Fail(Reason::FAILURE_REASON_DATA_INVALID, absl::StrCat("payload: ", name, " is missing"));
    }
    *out = it->get<std::string>();
  }
  return payload;
}

JobResult Retry(std::string why) { return {JobResult::Kind::kRetry, std::move(why), std::nullopt}; }

JobResult Done(const outbox::Job& job, const std::string& operation_key, std::string_view outcome) {
  audit::Record record;
  record.env = job.env;
  record.entity_id = job.entity_id;
  record.actor = kActor;
  record.action = audit::kCheckoutSessionExpired;
  record.operation_key = operation_key;
  record.detail_json = nlohmann::json{{"outcome", std::string(outcome)}, {"attempts", job.attempts}}.dump();
  // What the job changes of ours is its own row; the session's row follows the provider's event.
  record.before_digest = audit::Digest({{"job", job.id}, {"status", "leased"}, {"outcome", std::nullopt}});
  record.after_digest = audit::Digest({{"job", job.id}, {"status", "done"}, {"outcome", std::string(outcome)}});
  return {JobResult::Kind::kDone, "", std::move(record)};
}

std::string Describe(const CallResult& result) {
  return absl::StrCat(result.outcome == Outcome::kRejected ? "refused" : "unknown outcome", ", HTTP ",
                      result.http_status, result.error_code.empty() ? "" : ", ", result.error_code);
}

telemetry::Labels Fields(const outbox::Job& job, const std::string& operation_key) {
  return {{"job_id", job.id}, {"entity_id", job.entity_id.value_or("")}, {"operation_key", operation_key}};
}

}  // namespace

std::string ExpireKey(const outbox::Job& job) {
  return absl::StrCat("billmesh-outbox-", job.id, "-", job.lease_version);
}

JobResult ExpireSessionJob::Run(const outbox::Job& job, absl::Duration deadline_monotonic) {
  const absl::StatusOr<Payload> payload = ReadPayload(job.payload_json);
  if (!payload.ok()) return {JobResult::Kind::kGiveUp, std::string(payload.status().message()), std::nullopt};
  const absl::Duration timeout = lease::CallTime(deadline_monotonic, deps_.clock.Monotonic(), kCallTimeout);
  if (timeout == absl::ZeroDuration()) return Retry("too little of the lease was left to begin");

  telemetry::Guardrail(kAttempt, Fields(job, payload->operation_key));
  FAULT_POINT(fault_points::kBeforeExpire);
  const CallResult result = deps_.provider.ExpireCheckoutSession(
      payload->session_id, ExpireKey(job), {.timeout = timeout, .priority = provider::Priority::kBackground});
  FAULT_POINT(fault_points::kAfterExpire);
  if (result.outcome == Outcome::kSuccess) return Done(job, payload->operation_key, "expired");

  JobResult settled = Settle(job, payload->session_id, payload->operation_key, result, deadline_monotonic);
  if (settled.kind != JobResult::Kind::kDone) telemetry::Guardrail(kFailure, Fields(job, payload->operation_key));
  return settled;
}

// The provider refused, or didn't answer: what the session is now decides.
JobResult ExpireSessionJob::Settle(const outbox::Job& job, const std::string& session_id,
                                   const std::string& operation_key, const CallResult& refused,
                                   absl::Duration deadline_monotonic) {
  const absl::Duration timeout = lease::CallTime(deadline_monotonic, deps_.clock.Monotonic(), kCallTimeout);
  if (timeout == absl::ZeroDuration()) return Retry(absl::StrCat("expire: ", Describe(refused)));
  const CallResult found = deps_.provider.Retrieve(provider::kCheckoutSessionKind, session_id,
                                                   {.timeout = timeout, .priority = provider::Priority::kBackground});
  // Sessions don't vanish: that it isn't there means that we ask with another account's key, and it may still be paid.
  if (found.not_found) return Retry("the session is unknown to the provider account of our key");
  if (found.outcome != Outcome::kSuccess) {
    return Retry(absl::StrCat("expire: ", Describe(refused), "; retrieve: ", Describe(found)));
  }
  const auto session = deps_.format.ReadCheckoutSession(found.object_json);
  if (!session.ok()) return Retry(absl::StrCat("retrieve: ", std::string(session.status().message())));
  if (session->status == "expired") return Done(job, operation_key, "expired");
  if (session->status == "complete") {
    telemetry::Guardrail(kFailure, Fields(job, operation_key));
    return Done(job, operation_key, "completed");
  }
  return Retry(absl::StrCat("expire: ", Describe(refused), "; the session is still ", session->status));
}

}  // namespace billmesh::reconciler
