// A provider call, frozen before it is made (IDM-4): every sending holds exactly these parameters under
// exactly this key. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/provider/object_format.h"
#include "common/provider/payment_provider.h"

namespace billmesh::checkout {

enum class StepOutcome { kPending, kSucceeded, kRejected, kSuperseded };

struct FrozenStep {
  std::string id;
  std::string entity_id;
  std::optional<std::string> operation_id;  // none: owned by the entity (CHK-10)
  int64_t ordinal = 0;
  std::string purpose;
  std::string idempotency_key;
  std::string params_json;
  std::string params_sha256;
  std::string params_schema;
  provider::Provenance provenance;
  absl::Time frozen_at;  // whole seconds
  absl::Time replay_deadline_at;
  StepOutcome outcome = StepOutcome::kPending;
  std::string provider_object_id;  // of succeeded ones
};

// What a step is made of.
struct StepDraft {
  std::string id;
  std::string entity_id;
  std::optional<std::string> operation_id;
  int64_t ordinal = 0;
  std::string purpose;
  std::string operation_key;  // the provider key is derived from it
  provider::EncodedParams params;
};

// `now` is the database's, cut to whole seconds: the deadline is then never later than promised.
FrozenStep Freeze(StepDraft draft, const provider::Provenance& provenance, absl::Time now,
                  absl::Duration replay_window);

// FROZEN_REQUEST_TAMPERED unless the parameters still have their hash. Checked before each sending.
absl::Status VerifyFrozen(const FrozenStep& step);

// "<operation key>-<purpose>-<ordinal>": deterministic, and of one step only.
std::string ProviderKey(std::string_view operation_key, std::string_view purpose, int64_t ordinal);

// IDM-3: HMAC over action, owner, client key and the row's own id, so that a purged key never comes back.
std::string OperationKey(std::string_view secret, std::string_view action, std::string_view owner,
                         std::string_view client_key, std::string_view row_id);

}  // namespace billmesh::checkout
