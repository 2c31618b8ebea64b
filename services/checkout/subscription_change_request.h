// What changes of a subscription ask for and answer: checked and in canonical form (IDM-2, PRT-3, PRT-4). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::checkout {

enum class CancelTiming { kUnset, kAtPeriodEnd, kNow };

struct CancelSubscriptionOrder {
  CancelTiming timing = CancelTiming::kUnset;
};

struct ResumeSubscriptionOrder {};

// How many of an add-on the provider takes.
inline constexpr int64_t kMaxAddOnQuantity = 999'999;

struct SetAddOnOrder {
  std::string plan_code;
  int64_t quantity = 0;  // 0 removes the add-on
};

// INVALID_ARGUMENT, with the field.
absl::Status CheckOrder(const CancelSubscriptionOrder& order);
inline absl::Status CheckOrder(const ResumeSubscriptionOrder&) { return absl::OkStatus(); }
absl::Status CheckOrder(const SetAddOnOrder& order);

// The canonical form: equal orders give equal bytes. INVALID_ARGUMENT for text that isn't UTF-8.
absl::StatusOr<std::string> EncodeOrder(const CancelSubscriptionOrder& order);
absl::StatusOr<std::string> EncodeOrder(const ResumeSubscriptionOrder& order);
absl::StatusOr<std::string> EncodeOrder(const SetAddOnOrder& order);
absl::StatusOr<CancelSubscriptionOrder> DecodeCancelSubscriptionOrder(std::string_view canonical);
absl::StatusOr<SetAddOnOrder> DecodeSetAddOnOrder(std::string_view canonical);

// The items of a subscription that an add-on consists of, as they were known at a time. Kept with the answer, for the
// next change, which may come before the provider's event.
struct AddOnItems {
  std::string subscription_id;        // the provider's
  std::vector<std::string> item_ids;  // the provider's; none: it hasn't got the add-on
  absl::Time as_of;                   // the provider's time, whole seconds
};

// The recorded answer of any change, replayed as it is: what the provider said when the subscription was changed.
struct SubscriptionChangeAnswer {
  std::string operation;
  std::string status;
  bool cancel_at_period_end = false;
  int64_t quantity = 0;             // of the add-on
  std::optional<AddOnItems> items;  // of the add-on, where they are known; never answered
};
absl::StatusOr<std::string> EncodeAnswer(const SubscriptionChangeAnswer& answer);
// INVALID_ARGUMENT where the document is none.
absl::StatusOr<SubscriptionChangeAnswer> DecodeSubscriptionChangeAnswer(std::string_view canonical);

}  // namespace billmesh::checkout
