#include "tests/fault/order_shrinker.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace billmesh::convergence {
namespace {

struct Trial {
  DeliveryOrder order, in_order;
};

Trial TrialWithout(const Life& life, const DeliveryOrder& order, const std::set<size_t>& events) {
  return {Without(order, events), Without(InOrder(life, Shape::kPinned), events)};
}

// Of each trial, what differs.
std::vector<std::string> Play(ConvergenceWorld& world, const Life& life, const std::vector<Trial>& trials) {
  std::vector<DeliveryOrder> orders;
  for (const Trial& trial : trials) {
    orders.push_back(trial.order);
    orders.push_back(trial.in_order);
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
  std::set<size_t> gone;
  for (bool smaller = true; smaller;) {
    smaller = false;
    // All that might be left out next, in one go; then one of them is.
    std::vector<size_t> candidates;
    std::vector<Trial> trials;
    for (size_t n = 0; n < life.events.size(); ++n) {
      if (gone.count(n) > 0) continue;
      std::set<size_t> more = gone;
      more.insert(n);
      candidates.push_back(n);
      trials.push_back(TrialWithout(life, order, more));
    }
    const std::vector<std::string> differences = Play(world, life, trials);
    std::set<size_t> droppable;
    for (size_t n = 0; n < candidates.size(); ++n) {
      if (!differences[n].empty()) droppable.insert(candidates[n]);
    }
    // Often all of them can go at once; else one by one.
    for (std::set<size_t> step : {droppable, droppable.empty() ? droppable : std::set<size_t>{*droppable.begin()}}) {
      if (step.empty()) break;
      std::set<size_t> more = gone;
      more.insert(step.begin(), step.end());
      if (Play(world, life, {TrialWithout(life, order, more)})[0].empty()) continue;
      gone = std::move(more);
      smaller = true;
      break;
    }
  }
  const Trial least = TrialWithout(life, order, gone);
  return absl::StrCat(Describe(life, least.order), " which ends, against the same in order:\n",
                      Play(world, life, {least})[0]);
}

}  // namespace billmesh::convergence
