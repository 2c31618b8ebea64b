// The public route of deliveries (WHK-1): what can be refused before anything is forwarded, and how the answer looks.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/http/server.h"

namespace billmesh::edge {

inline constexpr size_t kMaxWebhookBodyBytes = 256 << 10;

// The serialized IngestRequest with the exact body bytes. ROUTE_NOT_FOUND for an unknown provider,
// WEBHOOK_BODY_MISSING, WEBHOOK_BODY_TOO_LARGE, WEBHOOK_SIGNATURE_INVALID unless there is exactly one signature header.
// Nothing is parsed.
absl::StatusOr<std::string> BuildIngest(std::string_view provider, const http::Request& request);

// {"received":true,"duplication":…,"outcome":"processed"} from a serialized IngestResponse.
absl::StatusOr<std::string> RenderIngest(std::string_view response);

// What a failed delivery is answered with: whatever may succeed later becomes a 503, so that the provider delivers
// again.
absl::Status DeliveryFailure(const absl::Status& status);

}  // namespace billmesh::edge
