#include "tests/fault/order_shrinker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace billmesh::convergence {
namespace {

struct Trial {
  DeliveryOrder order, sorted;
};

Trial TrialWithout(const Life& life, const DeliveryOrder& order, const std::vector<Step>& gone) {
  DeliveryOrder rest = Without(order, gone);
  DeliveryOrder sorted = Sorted(life, rest);
  return {std::move(rest), std::move(sorted)};
}

// Of each trial, what differs.
std::vector<std::string> Play(ConvergenceWorld& world, const Life& life, const std::vector<Trial>& trials) {
  std::vector<DeliveryOrder> orders;
  for (const Trial& trial : trials) {
    orders.push_back(trial.order);
    orders.push_back(trial.sorted);
  }
  const std::vector<Outcome> outcomes = world.Run(life, orders, life.seed);
  std::vector<std::string> differences;
  for (size_t n = 0; n < trials.size(); ++n) {
    differences.push_back(
        Differences(outcomes[2 * n].projection, outcomes[2 * n + 1].projection, trials[n].order.plain));
  }
  return differences;
}

const char* NameOf(Step::Kind kind) {
  switch (kind) {
    case Step::Kind::kStart:
      return "an operation is stored";
    case Step::Kind::kLink:
      return "the customer is linked";
    case Step::Kind::kProject:
      return "a snapshot is projected";
    case Step::Kind::kRefresh:
      return "the provider's present is projected";
    default:
      return "ties are refreshed";
  }
}

// What may be left out, each once.
std::vector<Step> Subjects(const DeliveryOrder& order) {
  std::vector<Step> subjects;
  for (const Step& step : order.steps) {
    const bool there =
        std::any_of(subjects.begin(), subjects.end(), [&](const Step& other) { return SameSubject(step, other); });
    if (!there && step.kind != Step::Kind::kStart && step.kind != Step::Kind::kLink) subjects.push_back(step);
  }
  return subjects;
}

std::vector<Step> With(std::vector<Step> steps, const std::vector<Step>& more) {
  steps.insert(steps.end(), more.begin(), more.end());
  return steps;
}

std::string Describe(const Life& life, const DeliveryOrder& order) {
  std::string text;
  for (const Step& step : order.steps) {
    if (step.kind != Step::Kind::kDeliver) {
      absl::StrAppend(&text, "  (", NameOf(step.kind), ")\n");
      continue;
    }
    const LifeEvent& event = life.events[step.index];
    absl::StrAppend(&text, "  ", event.created, " ", event.type, " of ", event.object_id, ", ", event.id, ", the ",
                    step.index + 1, ". of the life", step.shape == Shape::kOld ? ", old shape\n" : "\n");
  }
  return text;
}

}  // namespace

std::string Shrunk(ConvergenceWorld& world, const Life& life, const DeliveryOrder& order) {
  std::vector<Step> gone;
  for (bool smaller = true; smaller;) {
    smaller = false;
    // All that might be left out next, in one go; then as many of them as can go.
    const std::vector<Step> candidates = Subjects(Without(order, gone));
    std::vector<Trial> trials;
    for (const Step& candidate : candidates) trials.push_back(TrialWithout(life, order, With(gone, {candidate})));
    const std::vector<std::string> differences = Play(world, life, trials);
    std::vector<Step> droppable;
    for (size_t n = 0; n < candidates.size(); ++n) {
      if (!differences[n].empty()) droppable.push_back(candidates[n]);
    }
    for (; !droppable.empty(); droppable.resize(droppable.size() / 2)) {
      const std::vector<Step> more = With(gone, droppable);
      if (Play(world, life, {TrialWithout(life, order, more)})[0].empty()) continue;
      gone = more;
      smaller = true;
      break;
    }
  }
  const Trial least = TrialWithout(life, order, gone);
  const std::string difference = Play(world, life, {least})[0];
  if (difference.empty()) return "  nothing: the same in the order of its times ends the same\n";
  return absl::StrCat(Describe(life, least.order), " which ends, against the same in the order of its times:\n",
                      difference);
}

}  // namespace billmesh::convergence
