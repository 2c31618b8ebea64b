#include "common/auth/method_policy.h"

#include <algorithm>
#include <map>

#include "common/status/status.h"

namespace billmesh::auth {
namespace {

using enum CallerKind;

struct RoleRule {
  std::string_view role;
  std::string_view permission;
};
constexpr RoleRule kRoleRules[] = {
    {"owner", kBillingManage}, {"owner", kBillingRead},  {"admin", kBillingManage},
    {"admin", kBillingRead},   {"member", kBillingRead}, {"viewer", kBillingRead},
};

const MethodRule* Find(std::string_view method) {
  static const auto* const index = [] {
    auto* made = new std::map<std::string_view, const MethodRule*>;
    for (const MethodRule& rule : MethodPolicy()) made->emplace(rule.method, &rule);
    return made;
  }();
  const auto it = index->find(method);
  return it != index->end() ? it->second : nullptr;
}

absl::Status Denied() { return Fail(Reason::FAILURE_REASON_PERMISSION_DENIED, "this caller may not call this method"); }

}  // namespace

const std::vector<MethodRule>& MethodPolicy() {
  static const auto* const table = new std::vector<MethodRule>{
      // CheckoutService
      {"/billing.checkout.v1.CheckoutService/StartCheckout", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/GetCheckout", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/CancelCheckout", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/RecoverOperation", {kReconciler, kOperator}, UserRule::kNoUser},
      {"/billing.checkout.v1.CheckoutService/CreatePortalSession", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/CreatePaymentLink", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/CancelSubscription", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/ResumeSubscription", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/SetAddOn", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CheckoutService/SyncPaymentMethods", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      // CatalogService
      {"/billing.checkout.v1.CatalogService/ListPlans", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.CatalogService/ApplyCatalog", {kOperator}, UserRule::kNoUser},
      {"/billing.checkout.v1.CatalogService/ExportCatalog", {kOperator}, UserRule::kNoUser},
      // AccountService
      {"/billing.checkout.v1.AccountService/EnsureEntity", {kService, kOperator}, UserRule::kNoUser},
      {"/billing.checkout.v1.AccountService/SetMember", {kService, kOperator}, UserRule::kNoUser},
      {"/billing.checkout.v1.AccountService/ListEntities", {kEdge}, UserRule::kSignedIn},
      {"/billing.checkout.v1.AccountService/GetSubscription", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.AccountService/GetAccountSnapshot", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.AccountService/ListInvoices", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      {"/billing.checkout.v1.AccountService/ListPaymentMethods", {kEdge, kService, kOperator}, UserRule::kSignedIn},
      // WebhookService
      {"/billing.webhook.v1.WebhookService/IngestBatch", {kEdge}, UserRule::kNoUser},
      // WebhookOperationsService
      {"/billing.webhook.v1.WebhookOperationsService/ListEvents", {kEdge, kOperator}, UserRule::kOperator},
      {"/billing.webhook.v1.WebhookOperationsService/ReplayEvents", {kEdge, kOperator}, UserRule::kOperator},
      {"/billing.webhook.v1.WebhookOperationsService/BindEvent", {kEdge, kOperator}, UserRule::kOperator},
      {"/billing.webhook.v1.WebhookOperationsService/DismissEvent", {kEdge, kOperator}, UserRule::kOperator},
      // ProjectionService
      {"/billing.webhook.v1.ProjectionService/Project", {kCheckout, kReconciler}, UserRule::kNoUser},
      // EntitlementsService
      {"/billing.entitlements.v1.EntitlementsService/Check",
       {kService, kOperator, kCheckout, kWebhook, kReconciler},
       UserRule::kNoUser},
      {"/billing.entitlements.v1.EntitlementsService/BatchCheck",
       {kService, kOperator, kCheckout, kWebhook, kReconciler},
       UserRule::kNoUser},
      {"/billing.entitlements.v1.EntitlementsService/GetEntitlements",
       {kEdge, kService, kOperator},
       UserRule::kSignedIn},
      {"/billing.entitlements.v1.EntitlementsService/GetLimitations",
       {kEdge, kService, kOperator},
       UserRule::kSignedIn},
      {"/billing.entitlements.v1.EntitlementsService/NotifyChanges",
       {kWebhook, kCheckout, kReconciler},
       UserRule::kNoUser},
      // OperationsService
      {"/billing.reconciler.v1.OperationsService/ListDeadLetters", {kEdge, kOperator}, UserRule::kOperator},
      {"/billing.reconciler.v1.OperationsService/RequeueJob", {kEdge, kOperator}, UserRule::kOperator},
      // ReconcilerService
      {"/billing.reconciler.v1.ReconcilerService/RunScope", {kEdge, kOperator}, UserRule::kOperator},
      {"/billing.reconciler.v1.ReconcilerService/ListRuns", {kEdge, kOperator}, UserRule::kOperator},
  };
  return *table;
}

absl::Status AuthorizeMethod(std::string_view method, const Caller& caller) {
  const MethodRule* const rule = Find(method);
  if (rule == nullptr || caller.kind == kUnknown) return Denied();
  if (std::find(rule->callers.begin(), rule->callers.end(), caller.kind) == rule->callers.end()) return Denied();
  if (caller.kind != kEdge) {
    // Only the edge can assert a user; a user from anywhere else means that something before us failed.
    return caller.user.has_value() ? Denied() : absl::OkStatus();
  }
  if (rule->user == UserRule::kNoUser) return absl::OkStatus();
  if (!caller.user.has_value())
    return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "this method needs a signed-in user");
  if (rule->user == UserRule::kOperator && !caller.user->Has(kBillingOperator)) {
    return Fail(Reason::FAILURE_REASON_PERMISSION_DENIED, "this method needs the permission billing.operator",
                {{"permission", kBillingOperator}});
  }
  return absl::OkStatus();
}

bool RoleGrants(std::string_view role, std::string_view permission) {
  return std::any_of(std::begin(kRoleRules), std::end(kRoleRules),
                     [&](const RoleRule& rule) { return rule.role == role && rule.permission == permission; });
}

}  // namespace billmesh::auth
