#include "tests/fault/crash_action.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/testing/test_database.h"
#include "services/checkout/fault_points.h"

namespace billmesh::crash {
namespace {

namespace points = checkout::fault_points;
using nlohmann::json;
using Stub = pb::CheckoutService::Stub;

constexpr char kPlan[] = "pro-monthly-v1";
constexpr char kAddOn[] = "extra-projects-v1";
constexpr int64_t kAddOnQuantity = 2;
constexpr char kReturnPath[] = "/billing";

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "crash action: %s\n", what.c_str());
  std::abort();
}

template <typename Request>
Request RequestOf(const Subject& subject, const std::string& key) {
  Request request;
  request.mutable_entity()->set_entity_id(subject.entity_id);
  request.set_idempotency_key(key);
  return request;
}

nlohmann::json Write(const char* method, const char* path_prefix) {
  return {{"method", method}, {"path_prefix", path_prefix}};
}

void Nothing(CrashWorld&, Subject&) {}

void OpenCheckout(CrashWorld& world, Subject& subject) {
  pb::StartCheckoutResponse response;
  const CallEnd end = SendCheckout(world, subject, "before", response);
  if (!end.ok()) Die("no checkout to begin with: " + end.code);
  subject.operation = response.operation();
}

// A customer, and no session in the way any more.
void HaveCustomer(CrashWorld& world, Subject& subject) {
  OpenCheckout(world, subject);
  const std::string session = world.Value(
      "SELECT provider_session_id FROM billing.checkout_sessions WHERE entity_id = '" + subject.entity_id + "'");
  world.Sim("POST", "sessions/" + session + "/expire");
  const bool ended = testing::WaitUntil([&] {
    return world.Value("SELECT status FROM billing.checkout_sessions WHERE entity_id = '" + subject.entity_id + "'") ==
           "expired";
  });
  if (!ended) Die("an expired checkout isn't projected");
}

void Subscribe(CrashWorld& world, Subject& subject) {
  OpenCheckout(world, subject);
  if (!PayAndProject(world, subject)) Die("no subscription to begin with");
}

void Does(CrashAction& action, const char* effect, const char* object) {
  action.effect = effect;
  action.object = object;
}

CallEnd CancelSubscription(CrashWorld& world, const Subject& subject, const std::string& key, pb::CancelTiming timing) {
  auto request = RequestOf<pb::CancelSubscriptionRequest>(subject, key);
  request.set_timing(timing);
  pb::CancelSubscriptionResponse response;
  return CrashWorld::Call(world.checkout(), &Stub::CancelSubscription, request, response);
}

void SubscribeAndEndIt(CrashWorld& world, Subject& subject) {
  Subscribe(world, subject);
  // Events of one second have no order of their own: this one must be told apart from the purchase's.
  world.MoveClocks(absl::Seconds(2));
  const CallEnd end = CancelSubscription(world, subject, "before-2", pb::CANCEL_TIMING_AT_PERIOD_END);
  if (!end.ok()) Die("no cancellation to take back: " + end.code);
  const bool projected = testing::WaitUntil([&] {
    return world.Value("SELECT cancel_at_period_end FROM billing.subscriptions WHERE entity_id = '" +
                       subject.entity_id + "'") == "t";
  });
  if (!projected) Die("a cancellation isn't projected");
}

CrashAction Purchase(const char* name, const char* path, bool first) {
  CrashAction action;
  action.name = name;
  action.write = Write("POST", path);
  action.several_steps = first;
  action.retrieves = action.looks_up = action.purchase = true;
  Does(action, "created", "checkout.session");
  action.prepare = first ? Nothing : HaveCustomer;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    pb::StartCheckoutResponse response;
    return SendCheckout(world, subject, key, response);
  };
  return action;
}

CrashAction Portal() {
  CrashAction action;
  action.name = "portal_session";
  action.write = Write("POST", "/v1/billing_portal/sessions");
  action.supersedes = true;
  action.prepare = Subscribe;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    auto request = RequestOf<pb::CreatePortalSessionRequest>(subject, key);
    request.set_return_path(kReturnPath);
    pb::CreatePortalSessionResponse response;
    return CrashWorld::Call(world.checkout(), &Stub::CreatePortalSession, request, response);
  };
  return action;
}

CrashAction PaymentLink() {
  CrashAction action;
  action.name = "payment_link";
  action.write = Write("POST", "/v1/payment_links");
  action.retrieves = action.looks_up = true;
  Does(action, "created", "payment_link");
  action.prepare = Nothing;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    auto request = RequestOf<pb::CreatePaymentLinkRequest>(subject, key);
    request.mutable_ad_hoc()->set_name("An hour of work");
    request.mutable_ad_hoc()->set_unit_amount_minor(9000);
    request.mutable_ad_hoc()->set_currency("eur");
    pb::CreatePaymentLinkResponse response;
    return CrashWorld::Call(world.checkout(), &Stub::CreatePaymentLink, request, response);
  };
  return action;
}

CrashAction Cancellation(const char* name, const char* method, pb::CancelTiming timing) {
  CrashAction action;
  action.name = name;
  action.write = Write(method, "/v1/subscriptions/");
  action.retrieves = true;
  if (timing == pb::CANCEL_TIMING_NOW) {
    Does(action, "canceled", "subscription");
    action.as_asked = [](const json& subscription) { return subscription.at("status") == "canceled"; };
  } else {
    Does(action, "updated", "subscription");
    action.as_asked = [](const json& subscription) { return subscription.at("cancel_at_period_end") == true; };
  }
  action.prepare = Subscribe;
  action.send = [timing](CrashWorld& world, const Subject& subject, const std::string& key) {
    return CancelSubscription(world, subject, key, timing);
  };
  return action;
}

CrashAction Resumption() {
  CrashAction action;
  action.name = "resume_subscription";
  Does(action, "updated", "subscription");
  action.as_asked = [](const json& subscription) { return subscription.at("cancel_at_period_end") == false; };
  action.write = Write("POST", "/v1/subscriptions/");
  action.retrieves = true;
  action.prepare = SubscribeAndEndIt;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    pb::ResumeSubscriptionResponse response;
    return CrashWorld::Call(world.checkout(), &Stub::ResumeSubscription,
                            RequestOf<pb::ResumeSubscriptionRequest>(subject, key), response);
  };
  return action;
}

CrashAction AddOn() {
  CrashAction action;
  action.name = "set_add_on";
  Does(action, "updated", "subscription");
  action.as_asked = [](const json& subscription) {
    const json& items = subscription.at("items").at("data");
    return items.size() == 2 && std::ranges::count(items, kAddOnQuantity, [](const json& item) {
                                  return item.at("quantity").get<int64_t>();
                                }) == 1;
  };
  action.write = Write("POST", "/v1/subscriptions/");
  action.retrieves = true;
  action.prepare = Subscribe;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    auto request = RequestOf<pb::SetAddOnRequest>(subject, key);
    request.set_plan_code(kAddOn);
    request.set_quantity(kAddOnQuantity);
    pb::SetAddOnResponse response;
    return CrashWorld::Call(world.checkout(), &Stub::SetAddOn, request, response);
  };
  return action;
}

CrashAction CancelledCheckout() {
  CrashAction action;
  action.name = "cancel_checkout";
  Does(action, "expired", "checkout.session");
  action.as_asked = [](const json& session) { return session.at("status") == "expired"; };
  action.write = Write("POST", "/v1/checkout/sessions/");
  action.retrieves = true;
  action.prepare = OpenCheckout;
  action.send = [](CrashWorld& world, const Subject& subject, const std::string& key) {
    auto request = RequestOf<pb::CancelCheckoutRequest>(subject, key);
    request.set_operation(subject.operation);
    pb::CancelCheckoutResponse response;
    return CrashWorld::Call(world.checkout(), &Stub::CancelCheckout, request, response);
  };
  return action;
}

}  // namespace

bool CrashAction::Reaches(std::string_view point) const {
  if (point == points::kBeforeStepCommit || point == points::kAfterStepCommit) return several_steps || supersedes;
  if (point == points::kBeforeRetrieve || point == points::kAfterRetrieve) return retrieves;
  if (point == points::kBeforeLookUp || point == points::kAfterLookUp) return looks_up;
  return true;
}

const std::vector<CrashAction>& CrashActions() {
  static const auto* const all = new std::vector<CrashAction>{
      Purchase("first_purchase", "/v1/customers", /*first=*/true),
      Purchase("purchase", "/v1/checkout/sessions", /*first=*/false),
      Portal(),
      PaymentLink(),
      Cancellation("cancel_now", "DELETE", pb::CANCEL_TIMING_NOW),
      Cancellation("cancel_at_period_end", "POST", pb::CANCEL_TIMING_AT_PERIOD_END),
      Resumption(),
      AddOn(),
      CancelledCheckout(),
  };
  return *all;
}

CallEnd SendCheckout(CrashWorld& world, const Subject& subject, const std::string& key,
                     pb::StartCheckoutResponse& response) {
  auto request = RequestOf<pb::StartCheckoutRequest>(subject, key);
  request.set_plan_code(kPlan);
  request.set_success_path(kReturnPath);
  request.set_cancel_path(kReturnPath);
  return CrashWorld::Call(world.checkout(), &Stub::StartCheckout, request, response);
}

bool PayAndProject(CrashWorld& world, Subject& subject) {
  const std::string session =
      world.Value("SELECT provider_session_id FROM billing.checkout_sessions WHERE entity_id = '" + subject.entity_id +
                  "' AND status = 'open'");
  if (session.empty()) return false;
  world.Sim("POST", "sessions/" + session + "/pay", nlohmann::json::object());
  return testing::WaitUntil([&] {
    subject.subscription_id = world.Value(
        "SELECT s.provider_subscription_id FROM billing.subscriptions s JOIN billing.checkout_sessions c "
        "ON c.provider_subscription_id = s.provider_subscription_id AND c.status = 'completed_reconciled' "
        "WHERE s.entity_id = '" +
        subject.entity_id + "' AND s.is_current AND s.status = 'active'");
    return !subject.subscription_id.empty();
  });
}

}  // namespace billmesh::crash
