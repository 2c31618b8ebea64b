#include "services/checkout/actions.h"

#include <algorithm>

namespace billmesh::checkout {
namespace {

// A change that got lost is made good within this time, or not at all: hours later the subscription may have been
// changed elsewhere, and an old wish must not undo that. Whether it took effect is then seen at the subscription
// (PRT-3).
constexpr absl::Duration kChangeReplayWindow = absl::Hours(1);

SubscriptionChangeAction::Deps ChangeDeps(const Actions::Deps& deps) {
  return {.ids = deps.ids,
          .format = deps.format,
          .currency = deps.currency,
          .replay_window = std::min(deps.times.replay_window, kChangeReplayWindow)};
}

}  // namespace

Actions::Actions(const Deps& deps)
    : checkout({.ids = deps.ids,
                .format = deps.format,
                .currency = deps.currency,
                .public_base_url = deps.public_base_url,
                .times = deps.times}),
      cancel_checkout({.ids = deps.ids, .format = deps.format, .replay_window = deps.times.replay_window}),
      portal({.ids = deps.ids,
              .format = deps.format,
              .public_base_url = deps.public_base_url,
              .replay_window = deps.times.replay_window}),
      payment_link({.ids = deps.ids,
                    .format = deps.format,
                    .currency = deps.currency,
                    .public_base_url = deps.public_base_url,
                    .replay_window = deps.times.replay_window}),
      cancel_subscription(ChangeDeps(deps)),
      resume_subscription(ChangeDeps(deps)),
      set_add_on(ChangeDeps(deps)),
      all_{&checkout,  &cancel_checkout, &portal, &payment_link, &cancel_subscription, &resume_subscription,
           &set_add_on} {}

const Action* Actions::Find(std::string_view name) const {
  for (const Action* action : all_) {
    if (action->name() == name) return action;
  }
  return nullptr;
}

}  // namespace billmesh::checkout
