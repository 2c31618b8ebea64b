// Job expire_checkout_session: ends a session at the provider whose checkout was refused after the session had been
// made (CHK-6). Payload: {"provider_session_id": "…", "operation_key": "…"}.
//
// A session that isn't open any more is done. When it was paid first, that is said too: the webhook projects what was
// bought and opens the remediation; here it is a failed clean-up (BILLING_ORPHAN_CHECKOUT_SESSION_CLEANUP_FAILURE).
#pragma once

#include <string>

#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/reconciler/job_handler.h"

namespace billmesh::reconciler {

class ExpireSessionJob : public JobHandler {
 public:
  // All must outlive the handler.
  struct Deps {
    provider::PaymentProvider& provider;
    const provider::ObjectFormat& format;
    Clock& clock;
  };
  explicit ExpireSessionJob(Deps deps) : deps_(deps) {}

  JobResult Run(const outbox::Job& job, absl::Duration deadline_monotonic) override;

 private:
  JobResult Settle(const outbox::Job& job, const std::string& session_id, const std::string& operation_key,
                   const provider::CallResult& refused, absl::Duration deadline_monotonic);
  Deps deps_;
};

// The provider's idempotency key of one attempt. A new one each time, because a key must not be sent again a day later
// and the provider replays a stored 500 under its old key, while expiring twice does no harm.
std::string ExpireKey(const outbox::Job& job);

}  // namespace billmesh::reconciler
