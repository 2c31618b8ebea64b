#include "services/checkout/session_refresh.h"

#include <utility>
#include <vector>

#include "common/lease/lease.h"
#include "common/status/status.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "services/checkout/entity_lock_store.h"
#include "services/checkout/provider_session.h"
#include "services/checkout/session_refresh_store.h"
#include "services/checkout/session_store.h"

namespace billmesh::checkout {
namespace {

constexpr char kWorker[] = "worker:checkout";

// How a refresh went: labels of the count.
constexpr char kStored[] = "stored";               // the session's state, and there was nothing to project
constexpr char kProjected[] = "projected";         // the subscription, too
constexpr char kProviderAway[] = "provider_away";  // it didn't answer in time, or not with the object
constexpr char kUnreadable[] = "unreadable";       // it answered with something else
constexpr char kPeerAway[] = "projection_failed";  // the webhook daemon didn't take the objects

void Count(const std::string& operation_key, std::string_view outcome) {
  telemetry::GetCounter("billmesh_checkout_refreshes_total",
                        "Sessions asked about when a buyer came back, by how that went",
                        {{"outcome", std::string(outcome)}})
      .Add();
  const bool good = outcome == kStored || outcome == kProjected;
  telemetry::Log(good ? telemetry::Level::kInfo : telemetry::Level::kWarn, "checkout session refreshed",
                 {{"operation_key", operation_key}, {"outcome", std::string(outcome)}});
}

}  // namespace

absl::Status SessionRefresher::Refresh(const std::string& entity_id, const std::string& operation_key) {
  const absl::Duration give_up = deps_.clock.Monotonic() + deps_.times.timeout;
  ASSIGN_OR_RETURN(const auto session_id,
                   db::RunInTransaction(deps_.pool, db::Scope::Tenant(entity_id), [&](db::Tx& tx) {
                     return TakeRefreshTurn(tx, operation_key, deps_.times.pause);
                   }));
  if (!session_id.has_value()) return absl::OkStatus();

  const auto answer = Ask(provider::kCheckoutSessionKind, *session_id, give_up);
  if (!answer.has_value()) {
    Count(operation_key, kProviderAway);
    return absl::OkStatus();
  }
  const auto session = deps_.format.ReadCheckoutSession(answer->object_json);
  if (!session.ok()) {
    Count(operation_key, kUnreadable);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Store(entity_id, operation_key, *session, *answer));
  Count(operation_key,
        session->subscription_id.has_value() ? Project(*answer, *session->subscription_id, give_up) : kStored);
  return absl::OkStatus();
}

std::optional<SessionRefresher::Answer> SessionRefresher::Ask(std::string_view kind, const std::string& id,
                                                              absl::Duration give_up) const {
  const absl::Duration left = lease::CallTime(give_up, deps_.clock.Monotonic(), deps_.times.timeout);
  if (left <= absl::ZeroDuration()) return std::nullopt;
  provider::CallResult result = deps_.provider.Retrieve(kind, id, {.timeout = left});
  if (result.outcome != provider::Outcome::kSuccess) return std::nullopt;
  return Answer{std::move(result.object_json), result.provider_date};
}

absl::Status SessionRefresher::Store(const std::string& entity_id, const std::string& operation_key,
                                     const provider::CheckoutSession& session, const Answer& answer) const {
  return db::RunInTransaction(deps_.pool, db::Scope::Tenant(entity_id), [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(LockAndReadEntity(tx, entity_id, deps_.env).status());
    // Events may have moved it while we asked.
    ASSIGN_OR_RETURN(const auto stored, FindSessionOf(tx, operation_key));
    if (!stored.has_value()) return absl::OkStatus();
    return ApplyProviderSession(tx, deps_.ids, *stored, session, answer.provider_date, {kWorker, "buyer_returned"})
        .status();
  });
}

const char* SessionRefresher::Project(const Answer& session, const std::string& subscription_id,
                                      absl::Duration give_up) const {
  const auto subscription = Ask(provider::kSubscriptionKind, subscription_id, give_up);
  if (!subscription.has_value()) return kProviderAway;
  // What has no date can't be told from what is older (WHK-5).
  if (!session.provider_date.has_value() || !subscription->provider_date.has_value()) return kUnreadable;
  const absl::Duration left = lease::CallTime(give_up, deps_.clock.Monotonic(), deps_.times.timeout);
  if (left <= absl::ZeroDuration()) return kPeerAway;
  // The session first: it says whose the subscription is.
  const std::vector<FetchedObject> objects = {
      {provider::kCheckoutSessionKind, session.object_json, *session.provider_date},
      {provider::kSubscriptionKind, subscription->object_json, *subscription->provider_date}};
  return deps_.projection.Project(deps_.format.provider(), objects, left).ok() ? kProjected : kPeerAway;
}

}  // namespace billmesh::checkout
