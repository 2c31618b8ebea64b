// The audit rows of the projection (AUD-1): one for each processed event, one for each fetched object that changed
// something, and one for each change of a checkout session's status.
#pragma once

#include <string>
#include <vector>

#include "common/audit/audit_store.h"
#include "services/webhook/object_batch.h"

namespace billmesh::webhook {

// A session was paid although it had ended here (CHK-3).
inline constexpr char kCheckoutPaidLate[] = "BILLING_CHECKOUT_PAID_LATE";

// Where a change comes from.
struct AuditOrigin {
  std::string env;
  std::string provider;
  std::string type;  // the event's, or the kind of the object that was fetched
  std::string object_id;
  std::optional<std::string> provider_event_id;  // none: it was fetched
  std::string requested_by;                      // of a fetched object: the caller's certificate name
};

// The rows of one processed event or fetched object, its own first.
std::vector<audit::Record> AuditRecords(const AuditOrigin& origin, const ObjectResult& result);

}  // namespace billmesh::webhook
