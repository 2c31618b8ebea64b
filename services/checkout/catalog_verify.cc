#include "services/checkout/catalog_verify.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

// Of one fetch, its retries included.
constexpr absl::Duration kFetchTimeout = absl::Seconds(10);

absl::Status Refuse(const catalog::FilePlan& plan, size_t index, const std::string& what) {
  const int line = plan.prices[index].line;
  const std::string where = absl::StrCat("plans[", plan.plan.code, "].prices[", index, "]");
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, absl::StrCat("line ", line, ": ", where, ": ", what),
              {{"line", std::to_string(line)}, {"where", where}});
}

std::string Amount(const std::optional<int64_t>& minor) {
  return minor.has_value() ? std::to_string(*minor) : "not one whole amount a unit";
}

absl::Status FetchAndCheck(const catalog::FilePlan& plan, size_t index, provider::PaymentProvider& provider,
                           const provider::PriceFormat& format, absl::Duration timeout) {
  const std::string& id = plan.plan.prices[index].provider_price_id;
  const provider::CallResult result =
      provider.Retrieve(provider::kPriceKind, id, {.timeout = timeout, .priority = provider::Priority::kInteractive});
  if (result.not_found) return Refuse(plan, index, absl::StrCat("the provider has no price ", id));
  if (result.outcome != provider::Outcome::kSuccess) {
    return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
                absl::StrCat("the provider didn't say whether price ", id, " exists (HTTP ", result.http_status, ")"),
                {{"outcome", result.outcome == provider::Outcome::kRejected ? "rejected" : "unknown"}});
  }
  const absl::StatusOr<provider::PriceSnapshot> snapshot = format.ReadPrice(result.object_json);
  if (!snapshot.ok()) {
    return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
                absl::StrCat("the provider's answer for price ", id, " can't be read"), {{"outcome", "unknown"}});
  }
  return CheckPrice(plan, index, *snapshot);
}

}  // namespace

absl::Status CheckPrice(const catalog::FilePlan& plan, size_t price_index, const provider::PriceSnapshot& snapshot) {
  const catalog::Price& price = plan.plan.prices[price_index];
  const auto differs = [&](std::string_view what, const std::string& declared, const std::string& provider_has) {
    return Refuse(plan, price_index,
                  absl::StrCat("the provider's ", AbslView(what), " is ", provider_has, ", declared is ", declared));
  };
  if (snapshot.id != price.provider_price_id) return differs("price", price.provider_price_id, snapshot.id);
  if (!snapshot.active)
    return Refuse(plan, price_index, absl::StrCat("price ", snapshot.id, " is archived at the provider"));
  if (!snapshot.recurring) return Refuse(plan, price_index, absl::StrCat("price ", snapshot.id, " isn't recurring"));
  if (snapshot.product_id != price.provider_product_id) {
    return differs("product", price.provider_product_id, snapshot.product_id);
  }
  if (snapshot.currency != price.currency) return differs("currency", price.currency, snapshot.currency);
  if (snapshot.unit_amount_minor != price.unit_amount_minor) {
    return differs("amount", std::to_string(price.unit_amount_minor), Amount(snapshot.unit_amount_minor));
  }
  if (snapshot.usage_type != price.usage_type) return differs("usage type", price.usage_type, snapshot.usage_type);
  if (snapshot.interval != price.interval || snapshot.interval_count != price.interval_count) {
    return differs("interval", absl::StrCat(price.interval_count, " ", price.interval),
                   absl::StrCat(snapshot.interval_count, " ", snapshot.interval));
  }
  return absl::OkStatus();
}

absl::Status VerifyPrices(const catalog::File& file, provider::PaymentProvider& provider,
                          const provider::PriceFormat& format, Clock& clock, absl::Duration deadline_monotonic) {
  for (const catalog::FilePlan& plan : file.plans) {
    if (!plan.plan.active) continue;
    for (size_t n = 0; n < plan.prices.size(); ++n) {
      const absl::Duration left = deadline_monotonic - clock.Monotonic();
      if (left <= absl::ZeroDuration()) {
        return Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the deadline passed while prices were verified");
      }
      RETURN_IF_ERROR(FetchAndCheck(plan, n, provider, format, std::min(kFetchTimeout, left)));
    }
  }
  return absl::OkStatus();
}

}  // namespace billmesh::checkout
