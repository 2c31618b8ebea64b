// Use cases of ReconcilerService. Owns the transaction boundaries. Thread safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/time/clock.h"
#include "services/reconciler/run_store.h"

namespace billmesh::reconciler {

struct RequestedRun {
  Run run;
  bool started = false;  // false: it was active already
};

struct RunPage {
  std::vector<Run> runs;
  std::string next_page_token;  // empty on the last page
};

class ReconcilerService {
 public:
  // All must outlive the service.
  struct Deps {
    db::Pool& pool;
    Clock& clock;
    IdGenerator& ids;
    std::string env;
    std::string provider;
    std::set<std::string, std::less<>> scopes;       // those that this daemon runs
    std::function<void(absl::Duration)> sleep = {};  // the system's if empty
  };
  explicit ReconcilerService(Deps deps);

  // The active run of the scope, or a new one for the scope's runners, waited for until it ends or the time is over
  // (the monotonic clock). Audited when it's new. INVALID_ARGUMENT for a scope that nobody runs.
  absl::StatusOr<RequestedRun> RunScope(const auth::Caller& caller, const std::string& scope,
                                        absl::Duration wait_until_monotonic);

  // Of one scope unless it's empty. INVALID_ARGUMENT for a scope that nobody runs, and for a token that isn't ours.
  absl::StatusOr<RunPage> ListRuns(std::string_view scope, int page_size, std::string_view page_token);

 private:
  absl::Status CheckScope(std::string_view scope) const;
  absl::StatusOr<RequestedRun> Request(const auth::Caller& caller, const std::string& scope);
  absl::StatusOr<Run> AwaitEnd(Run run, absl::Duration until_monotonic);
  Deps deps_;
};

}  // namespace billmesh::reconciler
