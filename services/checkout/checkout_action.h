// Checkout as the kernel runs it: what may start one (CHK-4), what is frozen (CHK-5), and what becomes of the session
// that the provider made (CHK-6).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"
#include "services/checkout/checkout_request.h"
#include "services/checkout/plan_resolution.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {

inline constexpr char kCheckoutAction[] = "checkout";

// The provider refuses a session that would end more than 24 h after it is made, by its own clock (IDM-5), and may
// forget a key after 24 h (IDM-6).
inline const absl::Duration kMaxSessionLifetime = absl::Hours(24) - absl::Minutes(10);
inline const absl::Duration kMaxReplayWindow = absl::Hours(23);

struct CheckoutTimes {
  absl::Duration session_lifetime = kMaxSessionLifetime;
  absl::Duration replay_window = kMaxReplayWindow;
  absl::Duration expiry_grace = absl::Seconds(90);
};

class CheckoutAction : public Action {
 public:
  // All references must outlive the action.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    std::string currency;         // BILLING_CURRENCY, lower case
    std::string public_base_url;  // without a trailing slash
    CheckoutTimes times;
  };
  explicit CheckoutAction(Deps deps) : deps_(std::move(deps)) {}

  std::string name() const override { return kCheckoutAction; }
  std::string audit_started() const override;
  std::string audit_created() const override;
  std::string audit_refused() const override;
  Reason rejection() const override { return Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR; }

  absl::StatusOr<Admission> Admit(const ActionContext& context, const WriteRequest& request,
                                  bool consulted) const override;
  absl::Status Consulted(const ActionContext& context, const Consult& consult,
                         const provider::CallResult& result) const override;
  absl::StatusOr<Progress> Advance(const ActionContext& context, const Operation& operation,
                                   const StepDone* done) const override;
  absl::Status CheckFrozen(const Operation& operation, const NextStep& next) const override;
  // Stores the hold of IDM-10, unless its horizon has passed or the session is known (IDM-11).
  absl::Status Withheld(const ActionContext& context, const Operation& operation,
                        const FrozenStep& step) const override;

 private:
  using Verdict = std::optional<Admission>;
  absl::StatusOr<Verdict> CheckSessions(const ActionContext& context, bool consulted) const;
  absl::StatusOr<std::variant<ResolvedPlan, Refusal>> Resolve(const ActionContext& context, const CheckoutOrder& order,
                                                              bool admitted) const;
  absl::StatusOr<Progress> NextForSession(const ActionContext& context, const Operation& operation,
                                          const std::string& customer_id) const;
  absl::StatusOr<Progress> FreezeSession(const ActionContext& context, const Operation& operation,
                                         const std::string& customer_id) const;
  absl::StatusOr<Progress> FinishSession(const ActionContext& context, const Operation& operation,
                                         const StepDone& done) const;

  const Deps deps_;
};

}  // namespace billmesh::checkout
