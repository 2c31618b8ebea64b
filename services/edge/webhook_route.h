// The public route of deliveries (WHK-1): what can be refused before anything is forwarded, and how the answer looks.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "billing/webhook/v1/webhook.pb.h"
#include "common/http/server.h"
#include "common/telemetry/log.h"

namespace billmesh::edge {

inline constexpr size_t kMaxWebhookBodyBytes = 256 << 10;

// The guardrail that the webhook daemon raises too, for what it refuses.
inline constexpr char kSignatureFailure[] = "BILLING_WEBHOOK_SIGNATURE_FAILURE";

// The delivery with the exact body bytes, which are moved out of the request. ROUTE_NOT_FOUND for an unknown provider,
// WEBHOOK_BODY_MISSING, WEBHOOK_BODY_TOO_LARGE, WEBHOOK_SIGNATURE_INVALID unless there is exactly one signature header,
// with metadata `cause`: header_missing, header_repeated, header_malformed. Those are counted, as the webhook daemon
// counts its own: billmesh_webhook_signature_failures_total{cause} and the guardrail. Nothing is parsed.
absl::StatusOr<billing::webhook::v1::Delivery> BuildDelivery(std::string_view provider, http::Request& request,
                                                             const telemetry::TraceContext& trace);

// {"received":true,"duplication":…,"outcome":"processed"}.
std::string RenderDelivery(const billing::webhook::v1::DeliveryResult& result);

// What a failed delivery is answered with: whatever may succeed later becomes a 503, so that the provider delivers
// again.
absl::Status DeliveryFailure(const absl::Status& status);

}  // namespace billmesh::edge
