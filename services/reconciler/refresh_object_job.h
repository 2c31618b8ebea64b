// The jobs refresh_<kind> (WHK-5, REC-6): fetches the object anew and has it projected, so that what two versions of
// one second left undecided becomes what the provider has.
#pragma once

#include <map>
#include <string>

#include "common/provider/payment_provider.h"
#include "common/time/clock.h"
#include "services/reconciler/job_handler.h"
#include "services/reconciler/projection_peer.h"

namespace billmesh::reconciler {

class RefreshObjectJob final : public JobHandler {
 public:
  // All must outlive the job.
  struct Deps {
    provider::PaymentProvider& provider;
    ProjectionPeer& projection;
    Clock& clock;
    std::string provider_name;
  };
  explicit RefreshObjectJob(Deps deps) : deps_(std::move(deps)) {}

  // Done too where the provider has no such object any more: then nothing newer can be had of it. Given up where what
  // was fetched can't be projected: an operator sees why. Writes nothing at the provider.
  JobResult Run(const outbox::Job& job, absl::Duration deadline_monotonic) override;

 private:
  Deps deps_;
};

// The job type of each kind that can be fetched, with its handler.
std::map<std::string, JobHandler*> RefreshHandlers(RefreshObjectJob& job);

}  // namespace billmesh::reconciler
