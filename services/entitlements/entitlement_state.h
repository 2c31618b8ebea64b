// An entity's state as memory holds it: segments of time that point to ready answers. Answers are shared among all
// entities that have the same, so that a million entities on ten plans cost a million small records.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "billing/entitlements/v1/entitlements.pb.h"
#include "services/entitlements/entitlement_rules.h"
#include "services/entitlements/entity_key.h"

namespace billmesh::entitlements {

// Lets a map of std::string be searched by std::string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};

// Everything that one plan code with one set of entitlements answers. Immutable.
class AnswerSet {
 public:
  AnswerSet(std::string plan_code, std::map<std::string, Granted> entitlements);
  // The answer to a check of this key, complete but for status, revision and stale.
  const billing::entitlements::v1::CheckResponse& Check(std::string_view key) const;
  const std::string& plan_code() const { return plan_code_; }
  const std::map<std::string, Granted>& entitlements() const { return entitlements_; }

 private:
  std::string plan_code_;
  std::map<std::string, Granted> entitlements_;
  std::unordered_map<std::string, billing::entitlements::v1::CheckResponse, StringHash, std::equal_to<>> by_key_;
  billing::entitlements::v1::CheckResponse unknown_key_;
};

// Keeps one AnswerSet for each content while any state uses it. Thread safe.
class AnswerSetInterner {
 public:
  std::shared_ptr<const AnswerSet> Intern(const std::string& plan_code,
                                          const std::map<std::string, Granted>& entitlements);
  // Contents that are remembered, dead ones included.
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<const AnswerSet>> sets_;  // by canonical content; guarded by mutex_
  size_t sweep_at_ = 256;                                                 // guarded by mutex_
};

struct StateSegment {
  absl::Time from;
  absl::Time until;
  EntitlementStatus status;
  std::shared_ptr<const AnswerSet> answers;
};

// Immutable once made.
struct State {
  EntityKey key;
  int64_t revision = 0;
  int64_t catalog_revision = 0;
  std::vector<StateSegment> segments;  // as in Computed
  std::optional<absl::Time> current_period_end;
  bool comped = false;
  absl::Time updated_at;  // when it was stored

  const StateSegment& At(absl::Time t) const { return segments[SegmentIndexAt(segments, t)]; }
  // Whether this was computed from more than the other.
  bool IsNewerThan(const State& other) const {
    return std::make_pair(revision, catalog_revision) > std::make_pair(other.revision, other.catalog_revision);
  }
};

std::shared_ptr<const State> MakeState(const EntityKey& key, int64_t revision, int64_t catalog_revision,
                                       absl::Time updated_at, const Computed& computed, AnswerSetInterner& interner);

// The answers of the API, from a state at an instant.
void FillCheck(const State& state, std::string_view key, absl::Time now, bool stale,
               billing::entitlements::v1::CheckResponse& response);
void FillEntitlements(const State& state, absl::Time now, bool stale,
                      billing::entitlements::v1::GetEntitlementsResponse& response);
void FillLimitations(const State& state, absl::Time now, bool stale,
                     billing::entitlements::v1::GetLimitationsResponse& response);

}  // namespace billmesh::entitlements
