// The audit rows of events (AUD-1): one for each processed event, and one for each change of a checkout session's
// status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/audit/audit_store.h"
#include "common/provider/objects.h"
#include "services/webhook/projection_rules.h"

namespace billmesh::webhook {

// A session was paid although it had ended here (CHK-3).
inline constexpr char kCheckoutPaidLate[] = "BILLING_CHECKOUT_PAID_LATE";

// The rows of one processed event, that of the event first.
std::vector<audit::Record> AuditRecords(std::string_view env, std::string_view provider, const provider::Event& event,
                                        const std::string& entity_id, const std::optional<std::string>& operation_key,
                                        const Applied& applied);

}  // namespace billmesh::webhook
