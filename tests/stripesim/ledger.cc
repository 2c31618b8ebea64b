#include "tests/stripesim/ledger.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace stripesim {

Ledger::Ledger(const std::string& path) {
  if (path.empty()) return;
  file_.open(path, std::ios::app);
  if (!file_) throw std::runtime_error("cannot open ledger file " + path);
}

void Ledger::Append(const std::string& kind, Json entry) {
  Json line = {{"seq", ++seq_}, {"kind", kind}};
  for (auto& [name, value] : entry.items()) line[name] = std::move(value);
  std::string text = Dump(line);
  if (file_.is_open()) {
    file_ << text << '\n';
    // A reader, or a post-mortem after kill -9, must find what was answered.
    file_.flush();
  }
  ring_.push_back({seq_, kind, std::move(text)});
  if (ring_.size() > kLedgerRing) ring_.pop_front();
}

Json Ledger::Read(const std::string& kind, uint64_t since, size_t limit) const {
  Json out = Json::array();
  auto it = std::upper_bound(ring_.begin(), ring_.end(), since,
                             [](uint64_t seq, const Line& line) { return seq < line.seq; });
  for (; it != ring_.end() && out.size() < limit; ++it) {
    if (!kind.empty() && kind != it->kind) continue;
    out.push_back(Json::parse(it->text));
  }
  return out;
}

Ledger::KeyUse Ledger::NoteKey(const std::string& key, const std::string& body_hash, int64_t now) {
  auto [it, inserted] = keys_.try_emplace(key);
  KeyRecord& record = it->second;
  KeyUse use;
  use.first = inserted || record.uses == 0;
  if (inserted) {
    key_order_.push_back(key);
    if (key_order_.size() > kTrackedKeys) {
      keys_.erase(key_order_.front());
      key_order_.pop_front();
    }
  }
  if (use.first) {
    record.body_hash = body_hash;
    record.first_at = now;
  }
  ++record.uses;
  use.same_body = record.body_hash == body_hash;
  use.age_s = now - record.first_at;
  if (!use.same_body) max_other_bodies_ = std::max(max_other_bodies_, ++record.other_bodies);
  max_key_uses_ = std::max(max_key_uses_, record.uses);
  max_key_age_s_ = std::max(max_key_age_s_, use.age_s);
  return use;
}

void Ledger::NoteEffect(const std::string& key, const std::string& effect) {
  if (key.empty()) return;
  auto it = keys_.find(key);
  if (it == keys_.end()) return;
  int64_t& most = max_effects_per_key_[effect];
  most = std::max(most, ++it->second.effects[effect]);
}

void Ledger::CountRequest(bool keyless_post, int64_t service_us) {
  ++counters_["requests"];
  if (keyless_post) ++counters_["keyless_posts"];
  counters_["service_time_us"] += service_us;
}

Json Ledger::Summary() const {
  static constexpr const char* kAlways[] = {"requests",
                                            "keyless_posts",
                                            "replays",
                                            "charges",
                                            "refunds",
                                            "subscriptions",
                                            "customers",
                                            "sessions",
                                            "schema_violations",
                                            "faults",
                                            "idempotency_conflicts",
                                            "idempotency_mismatches",
                                            "service_time_us"};
  Json out = Json::object();
  for (const char* name : kAlways) out[name] = 0;
  for (const auto& [name, value] : counters_) out[name] = value;
  out["max_uses_of_one_key"] = max_key_uses_;
  out["max_same_key_different_body"] = max_other_bodies_;
  out["max_key_age_s"] = max_key_age_s_;
  Json effects = Json::object();
  for (const char* name : {"charges", "customers", "sessions", "subscriptions"}) effects[name] = 0;
  for (const auto& [name, value] : max_effects_per_key_) effects[name] = value;
  out["max_effects_of_one_key"] = effects;
  out["ledger_seq"] = seq_;
  return out;
}

}  // namespace stripesim
