// Plays a life: the simulator, the dice, and what the actions of a life (life_actions.h) work on.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fault/life.h"
#include "tests/stripesim/test_bench.h"

namespace billmesh::convergence {

using stripesim::Json;
using stripesim::Str;

inline constexpr int64_t kDayS = 86400;
inline constexpr char kPinnedVersion[] = "2026-10-28.endive";
inline constexpr char kOldVersion[] = "2024-06-20";

class LifePlayer {
 public:
  explicit LifePlayer(uint64_t seed);

  Life Play();

  // --- for the actions
  // Below `n`.
  uint64_t Dice(uint64_t n) { return chance_() % n; }
  bool OneIn(uint64_t n) { return Dice(n) == 0; }
  template <typename T>
  const T& Any(const std::vector<T>& from) {
    return from[Dice(from.size())];
  }

  // The answer, or null where the simulator refused: then the action was nothing for this state, and that's all.
  Json Post(const std::string& path, const std::string& form = "");
  Json Delete(const std::string& path);
  Json Get(const std::string& path) { return bench_.Get(path).json; }
  void Control(const std::string& what, const Json& body);
  void Advance(int64_t seconds);
  int64_t Now() { return bench_.Control("GET", "clock")["now"]; }
  void Note(const std::string& text);

  // The customer's objects of a kind (a list's path and its filter), newest first.
  std::vector<Json> List(const std::string& path);
  // Those subscriptions that live; an id of one, if there is any.
  std::vector<Json> Living();
  std::optional<Json> AnyLiving();
  std::optional<Json> AnyOf(const std::string& path);

  // Opens a checkout as ours does, and returns its session's id; what is stored of it comes from `stored`. Where a page
  // is open still (its card was declined) that one is handed out again (CHK-4), and nothing is opened.
  std::string OpenCheckout(StoredSession stored, const std::string& more);
  void PaySession(const std::string& session);
  // Sells one thing by a payment link of ours, paid by somebody that nobody knows.
  void SellByLink();

  const std::string& customer() const { return life_.customer_id; }
  const std::string& basic() const { return basic_; }
  const std::string& team() const { return team_; }
  const std::string& add_on() const { return add_on_; }
  bool deleted() const { return deleted_; }
  void set_deleted() { deleted_ = true; }

 private:
  // Of a checkout that wasn't given up; empty: none is open.
  std::string OpenPage();
  std::string OperationMetadata(const std::string& prefix, const std::string& key) const;
  std::string NewKey();
  void FirstPurchase();
  void TakeEvents();
  LifeSnapshot TakeSnapshot();

  std::mt19937_64 chance_;
  stripesim::TestBench bench_;
  Life life_;
  std::string basic_, team_, add_on_;  // prices
  bool deleted_ = false;               // the customer
};

}  // namespace billmesh::convergence
