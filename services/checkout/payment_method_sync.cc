#include "services/checkout/payment_method_sync.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "common/lease/lease.h"
#include "common/status/status.h"
#include "services/checkout/payment_method_sync_store.h"

namespace billmesh::checkout {
namespace {

using provider::CallOptions;
using provider::CallResult;
using provider::Outcome;

constexpr int kPageSize = 100;
// What ProjectionService takes in one call.
constexpr size_t kMaxProjected = 64;
constexpr char kAnswerUnreadable[] = "the provider's answer can't be read";

absl::Status Unavailable(std::string_view why) { return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE, why); }

// The answer can be projected: there is one, and it has the date that orders it among events (WHK-5).
absl::Status CheckAnswer(const CallResult& result) {
  if (result.outcome == Outcome::kRejected) {
    return Fail(Reason::FAILURE_REASON_CHECKOUT_PROVIDER_ERROR, "the provider refused to show the customer's methods");
  }
  if (result.outcome == Outcome::kUnknown) return Unavailable("the provider didn't show the customer's methods");
  return result.provider_date.has_value() ? absl::OkStatus() : Unavailable("the provider's answer has no Date");
}

}  // namespace

// One sync: what was fetched so far, and until when it may go on.
class PaymentMethodSync::Round {
 public:
  explicit Round(const Deps& deps) : deps_(deps), give_up_(deps.clock.Monotonic() + deps.timeout) {}

  absl::StatusOr<SyncedMethods> Run(const std::string& customer_id, const std::vector<std::string>& stored) {
    ASSIGN_OR_RETURN(const bool lives, FetchCustomer(customer_id));
    if (lives) RETURN_IF_ERROR(FetchListed(customer_id));
    RETURN_IF_ERROR(FetchUnlisted(stored));
    RETURN_IF_ERROR(Project());
    return synced_;
  }

 private:
  absl::StatusOr<CallOptions> Options() const {
    const absl::Duration left = lease::CallTime(give_up_, deps_.clock.Monotonic(), deps_.timeout);
    if (left <= absl::ZeroDuration()) return Unavailable("the provider took too long");
    return CallOptions{.timeout = left};
  }

  // Whether the customer isn't deleted: a deleted one has no list of methods.
  absl::StatusOr<bool> FetchCustomer(const std::string& id) {
    ASSIGN_OR_RETURN(const CallOptions options, Options());
    const CallResult result = deps_.provider.Retrieve(provider::kCustomerKind, id, options);
    RETURN_IF_ERROR(CheckAnswer(result));
    const auto customer = deps_.format.ReadObject(result.object_json);
    if (!customer.ok()) return Unavailable(kAnswerUnreadable);
    fetched_.push_back({provider::kCustomerKind, result.object_json, *result.provider_date});
    return !customer->deleted;
  }

  absl::Status FetchListed(const std::string& customer_id) {
    provider::ListQuery query{.filters = {{"customer", customer_id}}, .limit = kPageSize};
    while (true) {
      ASSIGN_OR_RETURN(const CallOptions options, Options());
      const CallResult result = deps_.provider.List(provider::kPaymentMethodKind, query, options);
      RETURN_IF_ERROR(CheckAnswer(result));
      const auto list = deps_.format.ReadList(result.object_json);
      if (!list.ok()) return Unavailable(kAnswerUnreadable);
      for (size_t i = 0; i < list->objects.size(); ++i) {
        listed_.insert(list->objects[i].id);
        fetched_.push_back({provider::kPaymentMethodKind, list->objects_json[i], *result.provider_date});
      }
      synced_.count += static_cast<int>(list->objects.size());
      if (!list->has_more || list->objects.empty()) return absl::OkStatus();
      if (synced_.count >= kMaxListed) {
        synced_.complete = false;
        return absl::OkStatus();
      }
      query.starting_after = list->objects.back().id;
    }
  }

  // Not being listed proves nothing of a method (the list is bounded): the method itself tells.
  absl::Status FetchUnlisted(const std::vector<std::string>& stored) {
    int asked = 0;
    for (const std::string& id : stored) {
      if (listed_.contains(id)) continue;
      if (asked == kMaxAskedFor) {
        synced_.complete = false;
        return absl::OkStatus();
      }
      ++asked;
      ASSIGN_OR_RETURN(const CallOptions options, Options());
      const CallResult result = deps_.provider.Retrieve(provider::kPaymentMethodKind, id, options);
      // Nothing newer can be had of it.
      if (result.not_found) continue;
      RETURN_IF_ERROR(CheckAnswer(result));
      fetched_.push_back({provider::kPaymentMethodKind, result.object_json, *result.provider_date});
    }
    return absl::OkStatus();
  }

  absl::Status Project() const {
    for (size_t begin = 0; begin < fetched_.size(); begin += kMaxProjected) {
      const auto from = fetched_.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto count = static_cast<std::ptrdiff_t>(std::min(kMaxProjected, fetched_.size() - begin));
      ASSIGN_OR_RETURN(const CallOptions options, Options());
      RETURN_IF_ERROR(deps_.projection.Project(deps_.format.provider(), {from, from + count}, options.timeout));
    }
    return absl::OkStatus();
  }

  const Deps& deps_;
  const absl::Duration give_up_;
  std::vector<FetchedObject> fetched_;  // the customer first
  std::set<std::string> listed_;
  SyncedMethods synced_;
};

absl::StatusOr<SyncedMethods> PaymentMethodSync::Sync(const std::string& entity_id) const {
  ASSIGN_OR_RETURN(const KnownMethods known,
                   db::RunInTransaction(deps_.pool, db::Scope::Tenant(entity_id), [&](db::Tx& tx) {
                     return ReadKnownMethods(tx, entity_id, deps_.format.provider(), kMaxListed + kMaxAskedFor);
                   }));
  if (!known.customer_id.has_value()) return SyncedMethods();
  return Round(deps_).Run(*known.customer_id, known.method_ids);
}

}  // namespace billmesh::checkout
