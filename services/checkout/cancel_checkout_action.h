// Cancelling an open checkout, as the kernel runs it (CHK-12): the session is ended at the provider, and the provider's
// word on it is what the entity's row gets. Paid first, it is a purchase and stays one.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"
#include "services/checkout/cancel_checkout_request.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {

inline constexpr char kCancelCheckoutAction[] = "cancel_checkout";

class CancelCheckoutAction : public Action {
 public:
  // All references must outlive the action.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    absl::Duration replay_window;  // CheckoutTimes::replay_window
  };
  explicit CancelCheckoutAction(Deps deps) : deps_(deps) {}

  std::string name() const override { return kCancelCheckoutAction; }
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
  // Whether the session is no longer open.
  absl::StatusOr<bool> HasTaken(const FrozenStep& step, const std::string& object_json) const override;

 private:
  absl::StatusOr<Progress> FreezeExpiry(const ActionContext& context, const Operation& operation,
                                        const SessionRow& session, int64_t ordinal) const;
  absl::StatusOr<Progress> Finish(const ActionContext& context, const Operation& operation, const Operation& checkout,
                                  const SessionRow& stored, const StepDone& done) const;
  const Deps deps_;
};

}  // namespace billmesh::checkout
