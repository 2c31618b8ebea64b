#include "tests/fault/delivery_order.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace billmesh::convergence {
namespace {

constexpr int64_t kPresent = std::numeric_limits<int64_t>::max();
// Percent.
constexpr uint64_t kDuplicated = 15, kSnapshotTaken = 30, kDrainMeanwhile = 25, kLateLink = 10;
constexpr uint64_t kMaxLost = 60;
constexpr uint64_t kMaxJitter = 24;

// The provider's time that a step knows of.
int64_t TimeOf(const Life& life, const Step& step) {
  switch (step.kind) {
    case Step::Kind::kDeliver:
      return life.events[step.index].created;
    case Step::Kind::kProject:
      return life.snapshots[step.index].date;
    case Step::Kind::kStart:
      return life.operations[step.index].started;
    case Step::Kind::kLink:
      return 0;
    default:
      return kPresent;
  }
}

class Shuffler {
 public:
  Shuffler(const Life& life, uint64_t seed) : life_(life), chance_(seed) {}

  DeliveryOrder Make(uint64_t seed) {
    DeliveryOrder order;
    order.seed = seed;
    order.lossy = Percent(35);
    Deliveries(order);
    Arrange(order.steps);
    order.plain = !order.lossy;
    for (size_t n = 0; n < life_.snapshots.size(); ++n) {
      if (!Percent(kSnapshotTaken)) continue;
      Insert(order.steps, {Step::Kind::kProject, n}, 0);
      order.plain = false;
    }
    // What comes after it is late.
    if (order.lossy) Insert(order.steps, {Step::Kind::kRefresh}, Percent(50) ? order.steps.size() : 0);
    if (Percent(kDrainMeanwhile)) Insert(order.steps, {Step::Kind::kDrain}, 0);
    InsertStarts(order.steps);
    Insert(order.steps, {Step::Kind::kLink}, 0, Percent(kLateLink) ? SecondStart(order.steps) : 0);
    order.name = absl::StrCat("order ", seed, " (", order.lossy ? "with losses, " : "", kArranged[arranged_], ", ",
                              kShapesSaid[shapes_], ")");
    return order;
  }

 private:
  static constexpr const char* kArranged[] = {"shuffled", "reversed", "jittered"};
  static constexpr const char* kShapesSaid[] = {"pinned shape", "old shape", "both shapes"};

  uint64_t Dice(uint64_t n) { return chance_() % n; }
  bool Percent(uint64_t n) { return Dice(100) < n; }

  void Deliveries(DeliveryOrder& order) {
    shapes_ = Dice(3);
    const uint64_t lost = order.lossy ? 1 + Dice(kMaxLost) : 0;
    for (size_t n = 0; n < life_.events.size(); ++n) {
      if (Percent(lost)) continue;
      size_t times = 1;
      while (times < 4 && Percent(kDuplicated)) ++times;
      for (size_t i = 0; i < times; ++i) {
        const bool old = shapes_ == 1 || (shapes_ == 2 && Percent(50));
        order.steps.push_back({Step::Kind::kDeliver, n, old ? Shape::kOld : Shape::kPinned});
      }
    }
  }

  void Arrange(std::vector<Step>& steps) {
    arranged_ = Percent(60) ? 0 : Percent(25) ? 1 : 2;
    if (arranged_ == 0) std::shuffle(steps.begin(), steps.end(), chance_);
    if (arranged_ == 1) std::reverse(steps.begin(), steps.end());
    if (arranged_ == 2) {
      const uint64_t jitter = 2 + Dice(kMaxJitter);
      std::vector<std::pair<uint64_t, Step>> moved;
      for (size_t n = 0; n < steps.size(); ++n) moved.emplace_back(n + Dice(jitter), steps[n]);
      std::stable_sort(moved.begin(), moved.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (size_t n = 0; n < steps.size(); ++n) steps[n] = moved[n].second;
    }
  }

  void Insert(std::vector<Step>& steps, Step step, size_t least, size_t most) {
    const size_t at = least + Dice(most - least + 1);
    steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(at), step);
  }
  void Insert(std::vector<Step>& steps, Step step, size_t least) { Insert(steps, step, least, steps.size()); }

  // Each before the first that may know of it, and in their own order.
  void InsertStarts(std::vector<Step>& steps) {
    size_t least = 0;
    for (size_t n = 0; n < life_.operations.size(); ++n) {
      const int64_t started = life_.operations[n].started;
      const auto first =
          std::find_if(steps.begin(), steps.end(), [&](const Step& step) { return TimeOf(life_, step) >= started; });
      const auto most = static_cast<size_t>(first - steps.begin());
      Insert(steps, {Step::Kind::kStart, n}, std::min(least, most), most);
      const auto is_it = [&](const Step& step) { return step.kind == Step::Kind::kStart && step.index == n; };
      least = static_cast<size_t>(std::find_if(steps.begin(), steps.end(), is_it) - steps.begin()) + 1;
    }
  }

  // A customer that isn't linked keeps a first purchase from being done, and with that a second from being begun.
  static size_t SecondStart(const std::vector<Step>& steps) {
    const auto second = std::find_if(steps.begin(), steps.end(), [](const Step& step) {
      return step.kind == Step::Kind::kStart && step.index == 1;
    });
    return static_cast<size_t>(second - steps.begin());
  }

  const Life& life_;
  std::mt19937_64 chance_;
  size_t shapes_ = 0, arranged_ = 0;
};

}  // namespace

DeliveryOrder InOrder(const Life& life, Shape shape) {
  DeliveryOrder order;
  order.plain = true;
  order.name = shape == Shape::kOld ? "in order, old shape" : "in order";
  for (size_t n = 0; n < life.events.size(); ++n) order.steps.push_back({Step::Kind::kDeliver, n, shape});
  for (size_t n = 0; n < life.operations.size(); ++n) {
    const auto first = std::find_if(order.steps.begin(), order.steps.end(), [&](const Step& step) {
      return step.kind != Step::Kind::kStart && TimeOf(life, step) >= life.operations[n].started;
    });
    order.steps.insert(first, {Step::Kind::kStart, n});
  }
  order.steps.insert(order.steps.begin(), {Step::Kind::kLink});
  return order;
}

DeliveryOrder RandomOrder(const Life& life, uint64_t seed) { return Shuffler(life, seed).Make(seed); }

bool SameSubject(const Step& a, const Step& b) { return a.kind == b.kind && a.index == b.index; }

DeliveryOrder Without(const DeliveryOrder& order, const std::vector<Step>& gone) {
  DeliveryOrder rest = order;
  const auto is_gone = [&](const Step& step) {
    return std::any_of(gone.begin(), gone.end(), [&](const Step& other) { return SameSubject(step, other); });
  };
  rest.steps.erase(std::remove_if(rest.steps.begin(), rest.steps.end(), is_gone), rest.steps.end());
  return rest;
}

DeliveryOrder Sorted(const Life& life, const DeliveryOrder& order) {
  const auto comes = [&](const Step& step) {
    return std::any_of(order.steps.begin(), order.steps.end(),
                       [&](const Step& other) { return SameSubject(step, other); });
  };
  DeliveryOrder sorted = InOrder(life, Shape::kPinned);
  sorted.plain = order.plain;
  const auto lost = [&](const Step& step) { return step.kind == Step::Kind::kDeliver && !comes(step); };
  sorted.steps.erase(std::remove_if(sorted.steps.begin(), sorted.steps.end(), lost), sorted.steps.end());
  for (size_t n = 0; n < life.snapshots.size(); ++n) {
    const Step snapshot{Step::Kind::kProject, n};
    if (!comes(snapshot)) continue;
    const auto later = std::find_if(sorted.steps.begin(), sorted.steps.end(), [&](const Step& step) {
      return step.kind != Step::Kind::kLink && TimeOf(life, step) > life.snapshots[n].date;
    });
    sorted.steps.insert(later, snapshot);
  }
  if (comes({Step::Kind::kRefresh})) sorted.steps.push_back({Step::Kind::kRefresh});
  return sorted;
}

}  // namespace billmesh::convergence
