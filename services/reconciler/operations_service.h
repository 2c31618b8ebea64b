// Use cases of OperationsService. Owns the transaction boundaries. Thread safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/reconciler/operations_store.h"

namespace billmesh::reconciler {

struct DeadLetterPage {
  std::vector<DeadLetter> jobs;
  std::string next_page_token;  // empty on the last page
};

class OperationsService {
 public:
  // All must outlive the service.
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    std::string env;
  };
  explicit OperationsService(Deps deps) : deps_(std::move(deps)) {}

  // INVALID_ARGUMENT for a token that isn't ours.
  absl::StatusOr<DeadLetterPage> ListDeadLetters(int page_size, std::string_view page_token);

  // True if the job was dead and has a new budget now; audited then. NOT_FOUND.
  absl::StatusOr<bool> RequeueJob(const auth::Caller& caller, const std::string& job_id);

 private:
  Deps deps_;
};

}  // namespace billmesh::reconciler
