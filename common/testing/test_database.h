// A migrated database of its own for each test fixture, on the real PostgreSQL server that `tests/run` starts
// (BILLMESH_TEST_DATABASE_URL, a superuser's URL). Made from a template that is migrated once per version of the migrations.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"

namespace billmesh::testing {

class TestDatabase {
 public:
  // Aborts the test program with a clear line when the server isn't there: run through tests/run.
  TestDatabase();
  // Drops the database.
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;

  // A URL for the superuser, and for a daemon's login role (billmesh_<daemon>).
  std::string AdminUrl() const;
  std::string Url(std::string_view daemon) const;
  // A pool as the daemon would have it. Owned by this object, lives as long as it.
  db::Pool& Pool(const std::string& daemon, int max_connections = 8);

  // Statements as superuser, bypassing row-level security: for arranging and looking. Abort on error.
  db::Result Admin(const char* sql, const std::vector<db::Param>& params = {});
  void AdminScript(const std::string& sql);
  // One value of the first row as text; "" when there is no row or it's NULL.
  std::string Value(const char* sql, const std::vector<db::Param>& params = {});

  // Moves billing.now() by this much from real time, for all connections, until changed.
  void SetClockOffset(absl::Duration offset);

  // Refuses new connections and ends those of everybody but this object; Restore undoes it.
  void TakeAway();
  void Restore();

  // Which tables were read from end to end since ForgetScans: names with a comma between. Both end the daemons'
  // connections, whose counts are only complete then. What is read as superuser in between counts too.
  void ForgetScans();
  std::string ScannedTables();

  // Rows that most tests need. Return the id.
  std::string AddWorkspace(const std::string& slug, const std::string& owner_subject = "", const std::string& env = "test");
  // A plan with one active base price (price id "price_<code>") and entitlements given as {key, schema, payload}.
  struct Entitlement {
    std::string key, schema, payload;
  };
  std::string AddPlan(const std::string& code, int64_t unit_amount_minor, const std::vector<Entitlement>& entitlements,
                      bool is_default = false);
  void LinkCustomer(const std::string& entity_id, const std::string& provider_customer_id);

  Clock& clock() { return clock_; }
  IdGenerator& ids() { return ids_; }

 private:
  void EndConnections();
  void AwaitCounts();

  struct Impl;
  SystemClock clock_;
  SystemIdGenerator ids_{clock_};
  std::unique_ptr<Impl> impl_;
};

// Calls `condition` until it's true or the time is over; for what another process or thread does. True if it became true.
bool WaitUntil(const std::function<bool()>& condition, absl::Duration limit = absl::Seconds(10));

}  // namespace billmesh::testing
