#include "services/entitlements/entitlement_state.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/status/strings.h"

namespace billmesh::entitlements {
namespace {

namespace pb = billing::entitlements::v1;

void SetTime(absl::Time t, google::protobuf::Timestamp* out) {
  const int64_t nanos = absl::ToUnixNanos(t);
  int64_t seconds = nanos / 1'000'000'000;
  int64_t rest = nanos % 1'000'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000'000;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(rest));
}

// The value and source of a key in a segment; null where the segment doesn't have it.
const Granted* Find(const StateSegment& segment, const std::string& key) {
  const auto it = segment.answers->entitlements().find(key);
  return it == segment.answers->entitlements().end() ? nullptr : &it->second;
}

// When the answer for this key changes by itself after segment `index`.
absl::Time NextChange(const State& state, size_t index, const std::string& key) {
  const Granted* present = Find(state.segments[index], key);
  for (size_t i = index + 1; i < state.segments.size(); ++i) {
    const Granted* later = Find(state.segments[i], key);
    const bool same = present == nullptr || later == nullptr ? present == later : *present == *later;
    if (!same) return state.segments[i].from;
  }
  return absl::InfiniteFuture();
}

void FillLimitation(const std::string& key, const Granted& granted, pb::Limitation& out) {
  out.set_key(key);
  out.set_type(std::string(catalog::TypeNameOf(granted.value)));
  out.set_granted(catalog::Grants(granted.value));
  out.set_source(granted.source);
  if (const auto* quota = std::get_if<catalog::QuotaEntitlement>(&granted.value)) {
    out.set_limit(quota->limit);
    out.set_interval(quota->interval);
    out.set_enforcement(quota->hard ? billing::types::v1::QUOTA_ENFORCEMENT_HARD
                                    : billing::types::v1::QUOTA_ENFORCEMENT_SOFT);
  } else if (const auto* list = std::get_if<catalog::StringListEntitlement>(&granted.value)) {
    for (const std::string& value : list->values) out.add_values(value);
  }
}

}  // namespace

AnswerSet::AnswerSet(std::string plan_code, std::map<std::string, Granted> entitlements)
    : plan_code_(std::move(plan_code)), entitlements_(std::move(entitlements)) {
  unknown_key_.set_plan_code(plan_code_);
  for (const auto& [key, granted] : entitlements_) {
    pb::CheckResponse& answer = by_key_[key];
    answer.set_granted(catalog::Grants(granted.value));
    *answer.mutable_value() = catalog::ToProto(granted.value);
    answer.set_source(granted.source);
    answer.set_plan_code(plan_code_);
  }
}

const pb::CheckResponse& AnswerSet::Check(std::string_view key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? unknown_key_ : it->second;
}

std::shared_ptr<const AnswerSet> AnswerSetInterner::Intern(const std::string& plan_code,
                                                           const std::map<std::string, Granted>& entitlements) {
  // Unambiguous: payloads are canonical JSON without line breaks, and the other parts have lengths before them.
  std::string content = absl::StrCat(plan_code.size(), ":", plan_code);
  for (const auto& [key, granted] : entitlements) {
    absl::StrAppend(&content, "\n", key.size(), ":", key, granted.source.size(), ":", granted.source,
                    AbslView(catalog::SchemaVersionOf(granted.value)), catalog::CanonicalPayload(granted.value));
  }
  std::lock_guard lock(mutex_);
  std::weak_ptr<const AnswerSet>& slot = sets_[content];
  if (std::shared_ptr<const AnswerSet> alive = slot.lock()) return alive;
  auto made = std::make_shared<const AnswerSet>(plan_code, entitlements);
  slot = made;
  if (sets_.size() >= sweep_at_) {
    std::erase_if(sets_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = sets_.size() * 2 + 256;
  }
  return made;
}

size_t AnswerSetInterner::size() const {
  std::lock_guard lock(mutex_);
  return sets_.size();
}

std::shared_ptr<const State> MakeState(const EntityKey& key, int64_t revision, int64_t catalog_revision,
                                       absl::Time updated_at, const Computed& computed, AnswerSetInterner& interner) {
  auto state = std::make_shared<State>();
  state->key = key;
  state->revision = revision;
  state->catalog_revision = catalog_revision;
  state->updated_at = updated_at;
  state->current_period_end = computed.current_period_end;
  state->comped = computed.comped;
  state->segments.reserve(computed.segments.size());
  for (const Segment& segment : computed.segments) {
    state->segments.push_back(StateSegment{segment.from, segment.until, segment.status,
                                           interner.Intern(segment.plan_code, segment.entitlements)});
  }
  return state;
}

void FillCheck(const State& state, std::string_view key, absl::Time now, bool stale, pb::CheckResponse& response) {
  const StateSegment& segment = state.At(now);
  response = segment.answers->Check(key);
  response.set_status(segment.status);
  response.set_revision(state.revision);
  response.set_stale(stale);
}

void FillEntitlements(const State& state, absl::Time now, bool stale, pb::GetEntitlementsResponse& response) {
  const StateSegment& segment = state.At(now);
  response.set_entity_id(state.key.ToString());
  response.set_plan_code(segment.answers->plan_code());
  response.set_status(segment.status);
  if (state.current_period_end.has_value()) SetTime(*state.current_period_end, response.mutable_current_period_end());
  response.set_comped(state.comped);
  for (const auto& [key, granted] : segment.answers->entitlements()) {
    pb::GrantedEntitlement& out = (*response.mutable_entitlements())[key];
    *out.mutable_value() = catalog::ToProto(granted.value);
    out.set_source(granted.source);
  }
  response.set_revision(state.revision);
  SetTime(state.updated_at, response.mutable_updated_at());
  response.set_stale(stale);
}

void FillLimitations(const State& state, absl::Time now, bool stale, pb::GetLimitationsResponse& response) {
  const size_t index = SegmentIndexAt(state.segments, now);
  response.set_entity_id(state.key.ToString());
  for (const auto& [key, granted] : state.segments[index].answers->entitlements()) {
    pb::Limitation& limitation = *response.add_limitations();
    FillLimitation(key, granted, limitation);
    const absl::Time next = NextChange(state, index, key);
    if (next != absl::InfiniteFuture()) SetTime(next, limitation.mutable_next_change_at());
  }
  response.set_revision(state.revision);
  SetTime(state.updated_at, response.mutable_computed_at());
  response.set_stale(stale);
}

}  // namespace billmesh::entitlements
