// Prices as Stripe writes them. Pure and thread safe.
#pragma once

#include "common/provider/price_format.h"

namespace billmesh::stripe {

class StripePriceFormat : public provider::PriceFormat {
 public:
  std::string provider() const override;
  absl::StatusOr<provider::EncodedParams> EncodePrice(const provider::PriceSpec& spec) const override;
  absl::StatusOr<provider::PriceSnapshot> ReadPrice(std::string_view object_json) const override;
  absl::StatusOr<std::vector<provider::PriceSnapshot>> ReadPriceList(std::string_view list_json) const override;
};

}  // namespace billmesh::stripe
