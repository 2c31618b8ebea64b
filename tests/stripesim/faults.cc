#include "tests/stripesim/faults.h"

#include <utility>

namespace stripesim {
namespace {

struct Action {
  const char* name;
  FaultStage stage;
};

constexpr Action kActions[] = {
    {"error_429", FaultStage::kFront},           {"error_400", FaultStage::kFront},
    {"error_401", FaultStage::kFront},           {"error_403", FaultStage::kFront},
    {"error_409", FaultStage::kFront},           {"reset_before", FaultStage::kFront},
    {"timeout_before", FaultStage::kFront},      {"delay_ms", FaultStage::kDelay},
    {"error_402", FaultStage::kExecute},         {"error_500_before", FaultStage::kExecute},
    {"error_500_after", FaultStage::kExecute},   {"reset_after", FaultStage::kReply},
    {"timeout_after", FaultStage::kReply},       {"wrong_content_type", FaultStage::kReply},
    {"webhook_duplicate", FaultStage::kWebhook}, {"webhook_reorder", FaultStage::kWebhook},
    {"webhook_drop", FaultStage::kWebhook},      {"webhook_delay", FaultStage::kWebhook},
    {"webhook_hold", FaultStage::kWebhook},      {"hold", FaultStage::kDelay},
};

constexpr const char* kMatchNames[] = {"method",    "path_prefix", "key_prefix", "event_type",
                                       "object_id", "nth",         "count",      "probability"};

std::string UnknownMatch(const Json& match) {
  for (const auto& [name, value] : match.items()) {
    bool known = false;
    for (const char* good : kMatchNames) known = known || name == good;
    if (!known) return name;
  }
  return "";
}

}  // namespace

std::string FaultPlan::Add(const Json& rule) {
  if (rules_.size() >= kMaxFaultRules) return "too many fault rules";
  const std::string action = Str(rule, "action");
  const Json& match = At(rule, "match");
  if (!match.is_null() && !match.is_object()) return "match must be an object";
  if (const std::string name = UnknownMatch(match); !name.empty()) return "unknown match " + name;
  for (const Action& known : kActions) {
    if (action != known.name) continue;
    Rule added;
    added.stage = known.stage;
    added.action = action;
    added.json = rule;
    added.nth = Int(match, "nth");
    added.count = Int(match, "count", -1);
    if (Has(match, "probability")) added.probability = match["probability"].get<double>();
    rules_.push_back(std::move(added));
    return "";
  }
  return "unknown action " + action;
}

bool FaultPlan::Matches(const Json& match, const FaultSubject& subject) {
  const auto equal = [&](const char* name, const std::string& value) {
    return !Has(match, name) || Str(match, name) == value;
  };
  const auto prefix = [&](const char* name, const std::string& value) {
    return !Has(match, name) || value.starts_with(Str(match, name));
  };
  return equal("method", subject.method) && prefix("path_prefix", subject.path) && prefix("key_prefix", subject.key) &&
         prefix("event_type", subject.event_type) && equal("object_id", subject.object_id);
}

std::optional<Fault> FaultPlan::Strike(FaultStage stage, const FaultSubject& subject, IdSource& ids) {
  for (Rule& rule : rules_) {
    if (rule.stage != stage || !Matches(At(rule.json, "match"), subject)) continue;
    ++rule.seen;
    if (rule.nth != 0 && rule.seen != rule.nth) continue;
    if (rule.count >= 0 && rule.struck >= rule.count) continue;
    if (rule.probability < 1 && ids.Coin() >= rule.probability) continue;
    ++rule.struck;
    return Fault{rule.action, rule.json};
  }
  return std::nullopt;
}

Json FaultPlan::Describe() const {
  Json out = Json::array();
  for (const Rule& rule : rules_) {
    Json one = rule.json;
    one["seen"] = rule.seen;
    one["struck"] = rule.struck;
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace stripesim
