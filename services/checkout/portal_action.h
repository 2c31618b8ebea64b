// Opening the billing portal, as the kernel runs it (PRT-1). The provider's page lives for minutes and can't be found
// again: a key gives the same URL for a while, then another.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"
#include "services/checkout/portal_request.h"

namespace billmesh::checkout {

inline constexpr char kPortalAction[] = "create_portal_session";

// How long a portal URL is replayed.
inline constexpr absl::Duration kPortalUrlLifetime = absl::Minutes(5);

class PortalAction : public Action {
 public:
  // All references must outlive the action.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    std::string public_base_url;   // without a trailing slash
    absl::Duration replay_window;  // CheckoutTimes::replay_window
  };
  explicit PortalAction(Deps deps) : deps_(std::move(deps)) {}

  std::string name() const override { return kPortalAction; }
  std::string audit_started() const override;
  std::string audit_created() const override;
  std::string audit_refused() const override;
  Reason rejection() const override { return Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR; }

  // PORTAL_SUBSCRIPTION_REQUIRED without a current subscription, or without a customer to show it to.
  absl::StatusOr<Admission> Admit(const ActionContext& context, const WriteRequest& request,
                                  bool consulted) const override;
  absl::Status Consulted(const ActionContext& context, const Consult& consult,
                         const provider::CallResult& result) const override;
  absl::StatusOr<Progress> Advance(const ActionContext& context, const Operation& operation,
                                   const StepDone* done) const override;
  bool StillGood(const Operation& succeeded, absl::Time now) const override;

 private:
  absl::StatusOr<Progress> FreezeSession(const ActionContext& context, const Operation& operation,
                                         int64_t ordinal) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
