// An entity's current subscription, as webhook has projected it. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace billmesh::checkout {

struct CurrentItem {
  std::string item_id;   // the provider's
  std::string price_id;  // the provider's
  int64_t quantity = 0;  // 0 for metered prices
};

struct CurrentSubscription {
  std::string id;  // the provider's
  std::string status;
  bool cancel_at_period_end = false;
  // The provider's time of what it was last written from (WHK-5).
  absl::Time provider_updated_at;
  std::vector<CurrentItem> items;  // by age
};

}  // namespace billmesh::checkout
