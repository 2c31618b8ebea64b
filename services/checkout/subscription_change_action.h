// Changes of an entity's current subscription, as the kernel runs them (PRT-3, PRT-4): cancelling, resuming, setting an
// add-on. Each is one frozen call about the subscription, or a few, where the provider's answer asks for more; an
// outcome that nobody knows is resolved by retrieving it: an update leaves its mark in the subscription's metadata, so
// that what was done is known also after others changed it again. The projection isn't written here: it changes when
// the provider's word arrives.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/catalog/plan.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"
#include "services/checkout/add_on_rules.h"
#include "services/checkout/current_subscription.h"
#include "services/checkout/subscription_change_request.h"
#include "services/checkout/subscription_store.h"

namespace billmesh::checkout {

// What the changes share.
class SubscriptionChangeAction : public Action {
 public:
  // All references must outlive the action.
  struct Deps {
    IdGenerator& ids;
    const provider::ObjectFormat& format;
    std::string currency;          // BILLING_CURRENCY, lower case
    absl::Duration replay_window;  // CheckoutTimes::replay_window
  };

  std::string audit_started() const override;
  std::string audit_refused() const override;
  Reason rejection() const override { return Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR; }

  // PORTAL_SUBSCRIPTION_REQUIRED without a current subscription; REQUEST_IN_PROGRESS (operation) while another change
  // of it is pending.
  absl::StatusOr<Admission> Admit(const ActionContext& context, const WriteRequest& request,
                                  bool consulted) const override;
  // Never: a change asks with its first call, once it is admitted.
  absl::Status Consulted(const ActionContext& context, const Consult& consult,
                         const provider::CallResult& result) const override;
  absl::StatusOr<Progress> Advance(const ActionContext& context, const Operation& operation,
                                   const StepDone* done) const override;
  absl::StatusOr<bool> HasTaken(const FrozenStep& step, const std::string& object_json) const override;

 protected:
  explicit SubscriptionChangeAction(Deps deps) : deps_(std::move(deps)) {}

  // A call to freeze.
  struct Call {
    std::string purpose;
    provider::SubscriptionUpdateSpec change;  // of an end: the subscription's id only
  };
  using Plan = std::variant<Call, Succeeded, Refusal>;
  // A call that was taken, and the subscription as it is now.
  struct Taken {
    const StepDone& done;
    provider::SubscriptionUpdateSpec change;
    provider::Subscription subscription;
    // It bears the call's mark: this very call was executed. Otherwise the subscription was so already.
    bool marked = false;
  };

  // What else must be so. The subscription is there and nobody else changes it.
  virtual absl::StatusOr<Admission> AdmitChange(const ActionContext& context, const WriteRequest& request) const;
  // The first call.
  virtual absl::StatusOr<Plan> PlanCall(const ActionContext& context, const Operation& operation,
                                        const CurrentSubscription& subscription) const = 0;
  // What comes after a call that was taken: the answer, unless the subscription shows that more is to be done.
  virtual absl::StatusOr<Plan> PlanNext(const ActionContext& context, const Operation& operation,
                                        const Taken& taken) const;

  // What the provider said of the subscription.
  static SubscriptionChangeAnswer AnswerOf(const Operation& operation, const Taken& taken);
  static absl::StatusOr<Plan> Answered(const SubscriptionChangeAnswer& answer);
  const Deps& deps() const { return deps_; }

 private:
  absl::StatusOr<Progress> Begin(const ActionContext& context, const Operation& operation) const;
  absl::StatusOr<Progress> Continue(const ActionContext& context, const Operation& operation,
                                    const StepDone& done) const;
  absl::StatusOr<Progress> Follow(const ActionContext& context, const Operation& operation, Plan plan,
                                  int64_t ordinal) const;
  absl::StatusOr<Progress> Next(FrozenStep step, bool fresh) const;
  absl::StatusOr<FrozenStep> FreezeCall(const ActionContext& context, const Operation& operation, Call call,
                                        int64_t ordinal) const;
  absl::StatusOr<bool> BearsMark(const FrozenStep& step, const std::string& object_json) const;

  const Deps deps_;
};

// Ends the subscription, now or at the end of its period.
class CancelSubscriptionAction : public SubscriptionChangeAction {
 public:
  explicit CancelSubscriptionAction(Deps deps) : SubscriptionChangeAction(std::move(deps)) {}
  std::string name() const override { return kCancelSubscriptionAction; }
  std::string audit_created() const override;

 protected:
  absl::StatusOr<Plan> PlanCall(const ActionContext& context, const Operation& operation,
                                const CurrentSubscription& subscription) const override;
};

// Takes a cancellation back: at the period's end, and where one is left, on a date. CHECKOUT_PROVIDER_ERROR where the
// subscription will end all the same.
class ResumeSubscriptionAction : public SubscriptionChangeAction {
 public:
  explicit ResumeSubscriptionAction(Deps deps) : SubscriptionChangeAction(std::move(deps)) {}
  std::string name() const override { return kResumeSubscriptionAction; }
  std::string audit_created() const override;

 protected:
  absl::StatusOr<Plan> PlanCall(const ActionContext& context, const Operation& operation,
                                const CurrentSubscription& subscription) const override;
  absl::StatusOr<Plan> PlanNext(const ActionContext& context, const Operation& operation,
                                const Taken& taken) const override;
};

// Sets how many of an add-on the subscription has. Where nothing seems to be there to remove, or nobody can tell what
// is there, its first call asks the provider; what the answer shows decides.
class SetAddOnAction : public SubscriptionChangeAction {
 public:
  explicit SetAddOnAction(Deps deps) : SubscriptionChangeAction(std::move(deps)) {}
  std::string name() const override { return kSetAddOnAction; }
  std::string audit_created() const override;

 protected:
  // CHECKOUT_PLAN_NOT_FOUND, CHECKOUT_CONFIGURATION_INVALID (alerts).
  absl::StatusOr<Admission> AdmitChange(const ActionContext& context, const WriteRequest& request) const override;
  absl::StatusOr<Plan> PlanCall(const ActionContext& context, const Operation& operation,
                                const CurrentSubscription& subscription) const override;
  absl::StatusOr<Plan> PlanNext(const ActionContext& context, const Operation& operation,
                                const Taken& taken) const override;

 private:
  // A step that only reads: an update without a change would make an event, and two events of one second can't be told
  // apart (WHK-5).
  static Plan Ask(const std::string& subscription_id);
  // The call that makes the items so many of the add-on; one that only asks where that takes no change.
  absl::StatusOr<Plan> PlanItems(const ActionContext& context, const SetAddOnOrder& order, const catalog::Plan* plan,
                                 const std::string& subscription_id, const std::vector<std::string>& item_ids) const;
  AddOnQuestion QuestionOf(const ActionContext& context, const SetAddOnOrder& order) const;
};

}  // namespace billmesh::checkout
