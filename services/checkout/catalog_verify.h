// Whether the provider sells what the catalog declares (CAT-4).
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/catalog/catalog_file.h"
#include "common/provider/payment_provider.h"
#include "common/provider/price_format.h"
#include "common/time/clock.h"

namespace billmesh::checkout {

// Compares one declared price with the provider's. CATALOG_INVALID (line, where) unless that is active, recurring, and
// equal in product, currency, amount, interval and usage type. Pure.
absl::Status CheckPrice(const catalog::FilePlan& plan, size_t price_index, const provider::PriceSnapshot& snapshot);

// The same for an item's price: active, one-time, and equal in product, currency and amount. Pure.
absl::Status CheckItemPrice(const catalog::FileItem& item, const provider::PriceSnapshot& snapshot);

// Fetches and checks every price of the plans and items that the file declares active, in the file's order; the first
// fault ends it. CATALOG_INVALID for a price that doesn't exist, PROVIDER_UNAVAILABLE when the provider doesn't say,
// DEADLINE_EXCEEDED past the deadline (Clock::Monotonic). Blocks on the provider: never with a transaction open
// (IDM-15).
absl::Status VerifyPrices(const catalog::File& file, provider::PaymentProvider& provider,
                          const provider::PriceFormat& format, Clock& clock, absl::Duration deadline_monotonic);

}  // namespace billmesh::checkout
