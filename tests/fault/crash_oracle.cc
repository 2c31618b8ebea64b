#include "tests/fault/crash_oracle.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace billmesh::crash {
namespace {

using nlohmann::json;

constexpr int64_t kMaxKeyAgeSeconds = 23 * 3600;
// Somebody may have changed the subscription otherwise by then.
constexpr int64_t kMaxChangeAgeSeconds = 3600;

std::string Text(const json& entry, const char* name) { return entry.value(name, ""); }

}  // namespace

Oracle::Oracle(CrashWorld& world, const CrashAction& action, const Subject& subject)
    : world_(world), action_(action), subject_(subject), before_(world.Summary()), seq_(before_.at("ledger_seq")) {}

std::vector<std::string> Oracle::CheckWrite(bool done) {
  findings_.clear();
  if (action_.effect.empty()) return {};
  int times = 0;
  std::string id;
  for (const json& effect : world_.EffectsSince(seq_)) {
    if (effect.at("source") != "api" || effect.at("effect") != action_.effect ||
        effect.at("object") != action_.object) {
      continue;
    }
    ++times;
    id = Text(effect, "id");
  }
  if (times != (done ? 1 : 0)) {
    Find(absl::StrCat("the client was told that it was ", done ? "" : "not ", "done, and ", action_.object, " was ",
                      action_.effect, " ", times, " times"));
  } else if (done && action_.as_asked) {
    const json object = world_.Object(id);
    if (object.is_null() || !action_.as_asked(object)) Find("the provider hasn't what was asked for: " + object.dump());
  }
  return std::exchange(findings_, {});
}

std::vector<std::string> Oracle::CheckRules() {
  findings_.clear();
  const std::set<std::string> frozen = FrozenKeys();
  CheckWrites(frozen);
  CheckEffects(frozen);
  CheckEntity();
  CheckSummary();
  return std::exchange(findings_, {});
}

std::set<std::string> Oracle::FrozenKeys() {
  return absl::StrSplit(world_.Value(absl::StrCat("SELECT coalesce(string_agg(s.provider_idempotency_key, ' '), '') "
                                                  "FROM billing.provider_steps s WHERE s.entity_id = '",
                                                  subject_.entity_id, "'")),
                        ' ', absl::SkipEmpty());
}

bool Oracle::IsFrozenEnd(const std::string& id) {
  return world_.Value(absl::StrCat("SELECT count(*) FROM billing.provider_steps s WHERE s.entity_id = '",
                                   subject_.entity_id, "' AND s.purpose = 'cancel_subscription' AND s.params LIKE '%\"",
                                   id, "\"%'")) == "1";
}

void Oracle::CheckWrites(const std::set<std::string>& frozen) {
  std::map<std::string, int> executed;
  for (const json& write : world_.WritesSince(seq_)) {
    const std::string key = Text(write, "idempotency_key");
    const std::string path = Text(write, "path");
    const std::string what = absl::StrCat(Text(write, "method"), " ", path, " under \"", key, "\"");
    // The provider takes keys with POST only.
    const bool ours =
        write.at("method") == "POST" ? frozen.contains(key) : IsFrozenEnd(path.substr(path.rfind('/') + 1));
    if (!ours) Find("no step was frozen for " + what);
    if (write.at("status") == 200 && write.at("replayed") == false) ++executed[what];
    if (absl::StartsWith(path, "/v1/subscriptions/") && write.at("key_age_s").get<int64_t>() > kMaxChangeAgeSeconds) {
      Find(absl::StrCat(what, " was repeated after ", write.at("key_age_s").dump(), " s"));
    }
  }
  for (const auto& [what, times] : executed) {
    if (times > 1) Find(absl::StrCat(what, " was executed ", times, " times"));
  }
}

void Oracle::CheckEffects(const std::set<std::string>& frozen) {
  std::map<std::string, int> created, of_one_step;
  for (const json& effect : world_.EffectsSince(seq_)) {
    const std::string what = absl::StrCat(Text(effect, "object"), " ", Text(effect, "effect"));
    if (effect.at("effect") == "created") ++created[what];
    // The clock and the page work for everybody.
    if (effect.at("source") != "api") continue;
    const std::string key = Text(effect, "idempotency_key");
    const std::string id = Text(effect, "id");
    if (key.empty() ? !IsFrozenEnd(id) : !frozen.contains(key)) {
      Find(absl::StrCat("no step was frozen for: ", what, " ", id, " under \"", key, "\""));
    }
    ++of_one_step[absl::StrCat(what, " ", id, " under \"", key, "\"")];
  }
  for (const auto& counts : {created, of_one_step}) {
    for (const auto& [what, times] : counts) {
      if (times > 1) Find(absl::StrCat(what, ": ", times, " times"));
    }
  }
}

void Oracle::CheckEntity() {
  const auto at_most_one = [&](const char* what, const char* rows) {
    const std::string count = world_.Value(
        absl::StrCat("SELECT count(*) FROM billing.", rows, " AND entity_id = '", subject_.entity_id, "'"));
    if (count != "0" && count != "1") Find(absl::StrCat("the entity has ", count, " ", what));
  };
  at_most_one("customers", "entity_customers WHERE true");
  at_most_one("subscriptions", "subscriptions WHERE true");
  at_most_one("open sessions", "checkout_sessions WHERE status = 'open'");
}

void Oracle::CheckSummary() {
  const json now = world_.Summary();
  // These are of all runs so far: what an earlier one found isn't this one's.
  const auto at_most = [](const char* name, const json& value, const json& earlier, int64_t bound) -> std::string {
    if (value.get<int64_t>() <= std::max(bound, earlier.is_null() ? 0 : earlier.get<int64_t>())) return "";
    return absl::StrCat(name, " = ", value.dump());
  };
  for (const auto& [name, bound] : std::map<std::string, int64_t>{{"keyless_posts", 0},
                                                                  {"max_same_key_different_body", 0},
                                                                  {"max_key_age_s", kMaxKeyAgeSeconds},
                                                                  {"max_open_subscription_sessions_per_customer", 1},
                                                                  {"schema_violations", 0}}) {
    const std::string found = at_most(name.c_str(), now.at(name), before_.at(name), bound);
    if (!found.empty()) Find(found);
  }
  const json& earlier = before_.at("max_effects_of_one_key");
  for (const auto& [effect, most] : now.at("max_effects_of_one_key").items()) {
    const std::string found = at_most(effect.c_str(), most, earlier.value(effect, json()), 1);
    if (!found.empty()) Find("of one key: " + found);
  }
}

}  // namespace billmesh::crash
