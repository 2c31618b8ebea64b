// What one run of the crash campaign did at the provider, told by the simulator's ledger, against what the client was
// told and what was frozen in the database.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/fault/crash_action.h"
#include "tests/fault/crash_world.h"

namespace billmesh::crash {

class Oracle {
 public:
  // Looks at what happens from now on. All arguments must outlive it.
  Oracle(CrashWorld& world, const CrashAction& action, const Subject& subject);

  // Whether the write was done once and as asked (`done`), or never; and the rules below.
  std::vector<std::string> CheckWrite(bool done);
  // What holds whatever happened: each write is a frozen step's, one step has one effect, nothing was made twice,
  // nothing that belongs together is open or subscribed twice.
  std::vector<std::string> CheckRules();

 private:
  void CheckWrites(const std::set<std::string>& frozen);
  void CheckEffects(const std::set<std::string>& frozen);
  void CheckEntity();
  void CheckSummary();
  std::set<std::string> FrozenKeys();
  // Whether one step was frozen to cancel this subscription.
  bool IsFrozenEnd(const std::string& id);
  void Find(std::string finding) { findings_.push_back(std::move(finding)); }

  CrashWorld& world_;
  const CrashAction& action_;
  const Subject& subject_;
  nlohmann::json before_;  // the summary
  int64_t seq_;
  std::vector<std::string> findings_;
};

}  // namespace billmesh::crash
