#include "common/auth/method_policy.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "gmock/gmock.h"
#include "google/api/annotations.pb.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"

namespace billmesh::auth {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

// Every file below protos/billing, from the source tree, so that a new one can't be forgotten.
std::vector<const FileDescriptor*> BillingFiles() {
  std::vector<const FileDescriptor*> files;
  const std::filesystem::path root = BILLMESH_PROTO_ROOT;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "billing")) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(name);
    EXPECT_NE(file, nullptr) << name << " isn't linked into this test";
    if (file != nullptr) files.push_back(file);
  }
  return files;
}

std::vector<const MethodDescriptor*> BillingMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const FileDescriptor* file : BillingFiles()) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) methods.push_back(file->service(s)->method(m));
    }
  }
  return methods;
}

std::string PathOf(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

// A name by which a client could hand us an identifier of the provider's (TEN-6). Our own ids and codes have other
// names: plan_code, operation, entity_id, page_token.
bool SmellsOfProviderId(const std::string& field) {
  static const std::regex smell(
      "(^|_)(provider|stripe|price|customer|product|invoice|charge|payment|intent|coupon|promotion|setup)(_|$)|"
      "subscription_id|subscription_item|session_id|checkout_session|account_id|provider_.*|stripe_.*");
  return std::regex_search(field, smell);
}

void CollectFields(const Descriptor& message, const std::string& path, std::set<const Descriptor*>& seen,
                   std::map<std::string, std::string>& fields) {
  if (!seen.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string name = absl::StrCat(path, ".", field.name());
    fields[name] = field.name();
    if (field.type() == FieldDescriptor::TYPE_MESSAGE) CollectFields(*field.message_type(), name, seen, fields);
  }
}

TEST(MethodPolicyTest, EveryMethodHasExactlyOneRow) {
  std::set<std::string> known;
  for (const MethodDescriptor* method : BillingMethods()) {
    const std::string path = PathOf(*method);
    known.insert(path);
    const auto rows = std::count_if(MethodPolicy().begin(), MethodPolicy().end(),
                                    [&](const MethodRule& rule) { return rule.method == path; });
    EXPECT_EQ(rows, 1) << path;
  }
  EXPECT_GE(known.size(), 16u);
  for (const MethodRule& rule : MethodPolicy()) {
    EXPECT_TRUE(known.contains(std::string(rule.method))) << rule.method << " is no method of ours";
    EXPECT_FALSE(rule.callers.empty()) << rule.method;
    EXPECT_EQ(std::count(rule.callers.begin(), rule.callers.end(), CallerKind::kUnknown), 0) << rule.method;
  }
}

TEST(MethodPolicyTest, MethodsWithAnHttpRouteAreOpenToTheEdgeWithAUser) {
  for (const MethodDescriptor* method : BillingMethods()) {
    if (!method->options().HasExtension(google::api::http)) continue;
    const std::string path = PathOf(*method);
    EXPECT_EQ(ReasonOf(AuthorizeMethod(path, {"spiffe://billmesh/edge", CallerKind::kEdge, std::nullopt})),
              Reason::FAILURE_REASON_UNAUTHENTICATED)
        << path;
    const UserIdentity user{"user-1", {kBillingOperator}};
    EXPECT_TRUE(AuthorizeMethod(path, {"spiffe://billmesh/edge", CallerKind::kEdge, user}).ok()) << path;
  }
}

TEST(MethodPolicyTest, ConsoleRoutesNeedTheOperatorPermission) {
  int console = 0;
  for (const MethodDescriptor* method : BillingMethods()) {
    const auto& http = method->options().GetExtension(google::api::http);
    if (!absl::StartsWith(absl::StrCat(http.get(), http.post(), http.delete_()), "/api/console/")) continue;
    ++console;
    EXPECT_EQ(ReasonOf(AuthorizeMethod(PathOf(*method), {"", CallerKind::kEdge, UserIdentity{"user-1", {}}})),
              Reason::FAILURE_REASON_PERMISSION_DENIED)
        << method->full_name();
  }
  EXPECT_GE(console, 2);
}

TEST(MethodPolicyTest, ClientFacingRequestsCarryNoProviderId) {
  int walked = 0;
  for (const MethodDescriptor* method : BillingMethods()) {
    if (!method->options().HasExtension(google::api::http)) continue;
    std::set<const Descriptor*> seen;
    std::map<std::string, std::string> fields;
    CollectFields(*method->input_type(), method->input_type()->name(), seen, fields);
    ++walked;
    for (const auto& [path, name] : fields) {
      EXPECT_FALSE(SmellsOfProviderId(name)) << path << " looks like an identifier of the provider's (TEN-6)";
    }
  }
  EXPECT_GE(walked, 9);
}

TEST(MethodPolicyTest, TheNoseForProviderIdsWorks) {
  for (const char* bad :
       {"price", "price_id", "customer", "customer_id", "provider_customer_id", "stripe_price", "subscription_id",
        "session_id", "checkout_session_id", "invoice_id", "payment_method", "product", "coupon"}) {
    EXPECT_TRUE(SmellsOfProviderId(bad)) << bad;
  }
  for (const char* good : {"entity", "plan_code", "seats", "operation", "success_path", "idempotency_key", "page_token",
                           "min_revision", "job_id", "entity_id", "workspace"}) {
    EXPECT_FALSE(SmellsOfProviderId(good)) << good;
  }
}

struct AuthorizeCase {
  const char* method;
  CallerKind kind;
  std::optional<UserIdentity> user;
  Reason expected;  // UNSPECIFIED: allowed
};

TEST(MethodPolicyTest, AuthorizesMethodByMethod) {
  const UserIdentity user{"user-1", {}};
  const UserIdentity staff{"user-2", {kBillingOperator}};
  constexpr auto kAllowed = Reason::FAILURE_REASON_UNSPECIFIED;
  constexpr auto kDenied = Reason::FAILURE_REASON_PERMISSION_DENIED;
  constexpr auto kNobody = Reason::FAILURE_REASON_UNAUTHENTICATED;
  const AuthorizeCase cases[] = {
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kEdge, user, kAllowed},
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kEdge, std::nullopt, kNobody},
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kService, std::nullopt, kAllowed},
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kReconciler, std::nullopt, kDenied},
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kUnknown, user, kDenied},
      {"/billing.checkout.v1.CheckoutService/StartCheckout", CallerKind::kService, user, kDenied},
      {"/billing.checkout.v1.CatalogService/ApplyCatalog", CallerKind::kEdge, staff, kDenied},
      {"/billing.checkout.v1.CatalogService/ApplyCatalog", CallerKind::kOperator, std::nullopt, kAllowed},
      {"/billing.checkout.v1.AccountService/EnsureEntity", CallerKind::kEdge, staff, kDenied},
      {"/billing.checkout.v1.AccountService/ListEntities", CallerKind::kService, std::nullopt, kDenied},
      {"/billing.webhook.v1.WebhookService/IngestBatch", CallerKind::kEdge, std::nullopt, kAllowed},
      {"/billing.webhook.v1.WebhookService/IngestBatch", CallerKind::kService, std::nullopt, kDenied},
      {"/billing.webhook.v1.WebhookService/IngestBatch", CallerKind::kOperator, std::nullopt, kDenied},
      {"/billing.entitlements.v1.EntitlementsService/Check", CallerKind::kEdge, user, kDenied},
      {"/billing.entitlements.v1.EntitlementsService/Check", CallerKind::kCheckout, std::nullopt, kAllowed},
      {"/billing.entitlements.v1.EntitlementsService/NotifyChanges", CallerKind::kWebhook, std::nullopt, kAllowed},
      {"/billing.entitlements.v1.EntitlementsService/NotifyChanges", CallerKind::kService, std::nullopt, kDenied},
      {"/billing.reconciler.v1.OperationsService/RequeueJob", CallerKind::kEdge, user, kDenied},
      {"/billing.reconciler.v1.OperationsService/RequeueJob", CallerKind::kEdge, staff, kAllowed},
      {"/billing.reconciler.v1.OperationsService/RequeueJob", CallerKind::kEdge, std::nullopt, kNobody},
      {"/billing.reconciler.v1.OperationsService/RequeueJob", CallerKind::kService, std::nullopt, kDenied},
      {"/billing.reconciler.v1.ReconcilerService/RunScope", CallerKind::kEdge, user, kDenied},
      {"/billing.reconciler.v1.ReconcilerService/RunScope", CallerKind::kEdge, staff, kAllowed},
      {"/billing.reconciler.v1.ReconcilerService/RunScope", CallerKind::kOperator, std::nullopt, kAllowed},
      {"/billing.reconciler.v1.ReconcilerService/RunScope", CallerKind::kService, std::nullopt, kDenied},
      {"/billing.reconciler.v1.ReconcilerService/ListRuns", CallerKind::kEdge, user, kDenied},
      {"/billing.checkout.v1.CheckoutService/NoSuchMethod", CallerKind::kOperator, std::nullopt, kDenied},
      {"", CallerKind::kOperator, std::nullopt, kDenied},
  };
  for (const AuthorizeCase& one : cases) {
    const absl::Status status = AuthorizeMethod(one.method, {"", one.kind, one.user});
    EXPECT_EQ(status.ok(), one.expected == kAllowed) << one.method << " " << static_cast<int>(one.kind);
    EXPECT_EQ(ReasonOf(status), one.expected) << one.method << " " << static_cast<int>(one.kind);
  }
}

TEST(MethodPolicyTest, RolesMapToPermissionsByOneTable) {
  struct {
    const char* role;
    bool manage;
    bool read;
  } const cases[] = {{"owner", true, true},   {"admin", true, true}, {"member", false, true},
                     {"viewer", false, true}, {"", false, false},    {"Owner", false, false}};
  for (const auto& one : cases) {
    EXPECT_EQ(RoleGrants(one.role, kBillingManage), one.manage) << one.role;
    EXPECT_EQ(RoleGrants(one.role, kBillingRead), one.read) << one.role;
    EXPECT_FALSE(RoleGrants(one.role, kBillingOperator)) << one.role << " never makes an operator";
    EXPECT_FALSE(RoleGrants(one.role, "")) << one.role;
  }
}

TEST(IdentityTest, CertificateNamesHaveOneMeaning) {
  const std::map<std::string, CallerKind> cases = {
      {"spiffe://billmesh/edge", CallerKind::kEdge},
      {"spiffe://billmesh/checkout", CallerKind::kCheckout},
      {"spiffe://billmesh/webhook", CallerKind::kWebhook},
      {"spiffe://billmesh/entitlements", CallerKind::kEntitlements},
      {"spiffe://billmesh/reconciler", CallerKind::kReconciler},
      {"spiffe://billmesh/operator/ops-1", CallerKind::kOperator},
      {"spiffe://billmesh/service/shop", CallerKind::kService},
      {"spiffe://billmesh/service/", CallerKind::kUnknown},
      {"spiffe://billmesh/service/a/b", CallerKind::kUnknown},
      {"spiffe://billmesh/operator", CallerKind::kUnknown},
      {"spiffe://billmesh/operator/../edge", CallerKind::kUnknown},
      {"spiffe://billmesh/edge/", CallerKind::kUnknown},
      {"spiffe://billmesh/Edge", CallerKind::kUnknown},
      {"spiffe://billmesh.evil/edge", CallerKind::kUnknown},
      {"spiffe://other/edge", CallerKind::kUnknown},
      {"edge", CallerKind::kUnknown},
      {"", CallerKind::kUnknown},
  };
  for (const auto& [name, kind] : cases) EXPECT_EQ(KindOfCertificate(name), kind) << name;
}

TEST(IdentityTest, AuditActorsNameUserOrService) {
  EXPECT_EQ((Caller{"spiffe://billmesh/edge", CallerKind::kEdge, UserIdentity{"u1", {}}}.AuditActor()), "user:u1");
  EXPECT_EQ((Caller{"spiffe://billmesh/service/shop", CallerKind::kService, std::nullopt}.AuditActor()),
            "service:spiffe://billmesh/service/shop");
}

}  // namespace
}  // namespace billmesh::auth
