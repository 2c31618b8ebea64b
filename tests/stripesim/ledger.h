#pragma once

// The append-only record of every request and every side effect: the oracle that tells whether
// anyone was charged twice. In memory the last kLedgerRing entries; in the file, if any, all.
// Not thread-safe: guarded by the simulator's mutex.

#include <cstdint>
#include <deque>
#include <fstream>
#include <map>
#include <string>
#include <unordered_map>

#include "tests/stripesim/json.h"

namespace stripesim {

inline constexpr size_t kLedgerRing = 200'000;
inline constexpr size_t kTrackedKeys = 200'000;

class Ledger {
 public:
  // `path` empty: memory only. Throws std::runtime_error where the file can't be opened.
  explicit Ledger(const std::string& path);

  // `entry` gets "seq" and "kind" in front.
  void Append(const std::string& kind, Json entry);

  // Entries with seq > since, oldest first, at most `limit`; `kind` (request, effect,
  // webhook) empty: all.
  Json Read(const std::string& kind, uint64_t since, size_t limit) const;

  // What a POST with a key adds to the oracle: whether its body differs from the key's first one,
  // and how long ago on the simulator's clock the key came first.
  struct KeyUse {
    bool first = true;
    bool same_body = true;
    int64_t age_s = 0;
  };
  KeyUse NoteKey(const std::string& key, const std::string& body_hash, int64_t now);

  // One more `effect` that goes back to a request with this key.
  void NoteEffect(const std::string& key, const std::string& effect);

  Json Summary() const;

  void CountRequest(bool keyless_post, int64_t service_us);
  void Count(const std::string& counter, int64_t by = 1) { counters_[counter] += by; }
  uint64_t last_seq() const { return seq_; }

 private:
  struct Line {
    uint64_t seq;
    std::string kind;
    std::string text;
  };
  struct KeyRecord {
    std::string body_hash;
    int64_t first_at;
    int64_t uses = 0;
    int64_t other_bodies = 0;
    std::map<std::string, int64_t> effects;
  };

  std::ofstream file_;
  std::deque<Line> ring_;
  uint64_t seq_ = 0;
  std::map<std::string, int64_t> counters_;
  std::unordered_map<std::string, KeyRecord> keys_;
  std::deque<std::string> key_order_;
  int64_t max_key_uses_ = 0;
  int64_t max_other_bodies_ = 0;
  int64_t max_key_age_s_ = 0;
  std::map<std::string, int64_t> max_effects_per_key_;
};

}  // namespace stripesim
