#include "services/checkout/frozen_step.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"

namespace billmesh::checkout {

FrozenStep Freeze(StepDraft draft, const provider::Provenance& provenance, absl::Time now,
                  absl::Duration replay_window) {
  FrozenStep step;
  step.idempotency_key = ProviderKey(draft.operation_key, draft.purpose, draft.ordinal);
  step.id = std::move(draft.id);
  step.entity_id = std::move(draft.entity_id);
  step.operation_id = std::move(draft.operation_id);
  step.ordinal = draft.ordinal;
  step.purpose = std::move(draft.purpose);
  step.params_sha256 = crypto::Sha256Hex(draft.params.json);
  step.params_json = std::move(draft.params.json);
  step.params_schema = std::move(draft.params.schema);
  step.provenance = provenance;
  step.frozen_at = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  step.replay_deadline_at = step.frozen_at + replay_window;
  return step;
}

absl::Status VerifyFrozen(const FrozenStep& step) {
  if (crypto::ConstantTimeEquals(crypto::Sha256Hex(step.params_json), step.params_sha256)) {
    return absl::OkStatus();
  }
  return Fail(Reason::FAILURE_REASON_FROZEN_REQUEST_TAMPERED,
              "a frozen request no longer has its hash; nothing was sent", {{"step", step.id}});
}

std::string ProviderKey(std::string_view operation_key, std::string_view purpose, int64_t ordinal) {
  return absl::StrCat(AbslView(operation_key), "-", AbslView(purpose), "-", ordinal);
}

std::string OperationKey(std::string_view secret, std::string_view action, std::string_view owner,
                         std::string_view client_key, std::string_view row_id) {
  // Only the client key may hold a '|', and it stands between fields of fixed form: no two tuples join alike.
  return crypto::HmacSha256Hex(
      secret, absl::StrCat(AbslView(action), "|", AbslView(owner), "|", AbslView(client_key), "|", AbslView(row_id)));
}

}  // namespace billmesh::checkout
