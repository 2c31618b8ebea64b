#include "services/checkout/catalog_verify.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

using provider::PriceSnapshot;

// Of one fetch, its retries included.
constexpr absl::Duration kFetchTimeout = absl::Seconds(10);

// A price that the file declares, and where.
struct Declared {
  const std::string& provider_price_id;
  const std::string& provider_product_id;
  const std::string& currency;
  int64_t unit_amount_minor;
  int line;
  std::string where;
};

Declared PriceOf(const catalog::FilePlan& plan, size_t index) {
  const catalog::Price& price = plan.plan.prices[index];
  return {price.provider_price_id, price.provider_product_id,
          price.currency,          price.unit_amount_minor,
          plan.prices[index].line, absl::StrCat("plans[", plan.plan.code, "].prices[", index, "]")};
}

Declared PriceOf(const catalog::FileItem& file_item) {
  const catalog::OneOffItem& item = file_item.item;
  return {item.provider_price_id, item.provider_product_id, item.currency,
          item.unit_amount_minor, file_item.price.line,     absl::StrCat("items[", item.code, "]")};
}

absl::Status Refuse(const Declared& price, const std::string& what) {
  return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, absl::StrCat("line ", price.line, ": ", price.where, ": ", what),
              {{"line", std::to_string(price.line)}, {"where", price.where}});
}

absl::Status Differs(const Declared& price, std::string_view what, const std::string& declared,
                     const std::string& provider_has) {
  return Refuse(price,
                absl::StrCat("the provider's ", AbslView(what), " is ", provider_has, ", declared is ", declared));
}

std::string Amount(const std::optional<int64_t>& minor) {
  return minor.has_value() ? std::to_string(*minor) : "not one whole amount a unit";
}

// What every price must be, whatever it is the price of.
absl::Status CheckCommon(const Declared& price, bool recurring, const PriceSnapshot& snapshot) {
  if (snapshot.id != price.provider_price_id) return Differs(price, "price", price.provider_price_id, snapshot.id);
  if (!snapshot.active) return Refuse(price, absl::StrCat("price ", snapshot.id, " is archived at the provider"));
  if (snapshot.recurring != recurring) {
    return Refuse(price,
                  absl::StrCat("price ", snapshot.id, recurring ? " isn't recurring" : " isn't a one-time price"));
  }
  if (snapshot.product_id != price.provider_product_id) {
    return Differs(price, "product", price.provider_product_id, snapshot.product_id);
  }
  if (snapshot.currency != price.currency) return Differs(price, "currency", price.currency, snapshot.currency);
  if (snapshot.unit_amount_minor != price.unit_amount_minor) {
    return Differs(price, "amount", std::to_string(price.unit_amount_minor), Amount(snapshot.unit_amount_minor));
  }
  return absl::OkStatus();
}

// Asks the provider for prices until the deadline.
class Fetcher {
 public:
  Fetcher(provider::PaymentProvider& provider, const provider::PriceFormat& format, Clock& clock,
          absl::Duration deadline_monotonic)
      : provider_(provider), format_(format), clock_(clock), deadline_(deadline_monotonic) {}

  absl::StatusOr<PriceSnapshot> Fetch(const Declared& price) {
    const absl::Duration left = deadline_ - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) {
      return Fail(Reason::FAILURE_REASON_DEADLINE_EXCEEDED, "the deadline passed while prices were verified");
    }
    const std::string& id = price.provider_price_id;
    const provider::CallResult result =
        provider_.Retrieve(provider::kPriceKind, id,
                           {.timeout = std::min(kFetchTimeout, left), .priority = provider::Priority::kInteractive});
    if (result.not_found) return Refuse(price, absl::StrCat("the provider has no price ", id));
    if (result.outcome != provider::Outcome::kSuccess) {
      return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
                  absl::StrCat("the provider didn't say whether price ", id, " exists (HTTP ", result.http_status, ")"),
                  {{"outcome", result.outcome == provider::Outcome::kRejected ? "rejected" : "unknown"}});
    }
    absl::StatusOr<PriceSnapshot> snapshot = format_.ReadPrice(result.object_json);
    if (snapshot.ok()) return snapshot;
    return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
                absl::StrCat("the provider's answer for price ", id, " can't be read"), {{"outcome", "unknown"}});
  }

 private:
  provider::PaymentProvider& provider_;
  const provider::PriceFormat& format_;
  Clock& clock_;
  const absl::Duration deadline_;
};

}  // namespace

absl::Status CheckPrice(const catalog::FilePlan& plan, size_t price_index, const PriceSnapshot& snapshot) {
  const catalog::Price& price = plan.plan.prices[price_index];
  const Declared declared = PriceOf(plan, price_index);
  RETURN_IF_ERROR(CheckCommon(declared, /*recurring=*/true, snapshot));
  if (snapshot.usage_type != price.usage_type) {
    return Differs(declared, "usage type", price.usage_type, snapshot.usage_type);
  }
  if (snapshot.interval != price.interval || snapshot.interval_count != price.interval_count) {
    return Differs(declared, "interval", absl::StrCat(price.interval_count, " ", price.interval),
                   absl::StrCat(snapshot.interval_count, " ", snapshot.interval));
  }
  return absl::OkStatus();
}

absl::Status CheckItemPrice(const catalog::FileItem& item, const PriceSnapshot& snapshot) {
  return CheckCommon(PriceOf(item), /*recurring=*/false, snapshot);
}

absl::Status VerifyPrices(const catalog::File& file, provider::PaymentProvider& provider,
                          const provider::PriceFormat& format, Clock& clock, absl::Duration deadline_monotonic) {
  Fetcher fetcher(provider, format, clock, deadline_monotonic);
  for (const catalog::FilePlan& plan : file.plans) {
    if (!plan.plan.active) continue;
    for (size_t n = 0; n < plan.prices.size(); ++n) {
      ASSIGN_OR_RETURN(const PriceSnapshot snapshot, fetcher.Fetch(PriceOf(plan, n)));
      RETURN_IF_ERROR(CheckPrice(plan, n, snapshot));
    }
  }
  for (const catalog::FileItem& item : file.items) {
    if (!item.item.active) continue;
    ASSIGN_OR_RETURN(const PriceSnapshot snapshot, fetcher.Fetch(PriceOf(item)));
    RETURN_IF_ERROR(CheckItemPrice(item, snapshot));
  }
  return absl::OkStatus();
}

}  // namespace billmesh::checkout
