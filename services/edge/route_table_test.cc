#include "services/edge/route_table.h"

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "google/api/annotations.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "gtest/gtest.h"

namespace billmesh::edge {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptor;

const RouteTable& Table() {
  static const auto* const table = new RouteTable(RouteTable::FromLinkedProtos().value());
  return *table;
}

std::string Describe(const std::string& verb, const std::string& pattern, const std::string& rpc) {
  return absl::StrCat(verb, " ", pattern, " -> ", rpc);
}

TEST(RouteTableTest, HoldsEveryRouteOfEveryProtoAndTheWebhook) {
  std::set<std::string> declared = {
      "POST /api/billing/webhooks/{provider} -> /billing.webhook.v1.WebhookService/IngestBatch"};
  const std::filesystem::path root = BILLMESH_PROTO_ROOT;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "billing")) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), root).string();
    const FileDescriptor* file = DescriptorPool::generated_pool()->FindFileByName(name);
    ASSERT_NE(file, nullptr) << name << " isn't linked into the edge";
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const MethodDescriptor& method = *file->service(s)->method(m);
        const google::api::HttpRule& rule = method.options().GetExtension(google::api::http);
        const std::string rpc = absl::StrCat("/", method.service()->full_name(), "/", method.name());
        if (rule.has_get()) declared.insert(Describe("GET", rule.get(), rpc));
        if (rule.has_post()) declared.insert(Describe("POST", rule.post(), rpc));
        if (rule.has_delete_()) declared.insert(Describe("DELETE", rule.delete_(), rpc));
      }
    }
  }
  std::set<std::string> served;
  for (const Route& route : Table().routes()) served.insert(Describe(route.verb, route.pattern, route.rpc_path));
  EXPECT_EQ(served, declared);
  EXPECT_GE(served.size(), 10u);
}

TEST(RouteTableTest, KnowsTheDaemonOfEachRoute) {
  const std::map<std::string, std::string> daemons = {{"/api/billing/checkout", "checkout"},
                                                      {"/api/billing/webhooks/stripe", "webhook"},
                                                      {"/api/console/billing/requeues", "reconciler"}};
  for (const auto& [path, daemon] : daemons) {
    const auto match = Table().Find("POST", path);
    ASSERT_TRUE(match.ok()) << path;
    EXPECT_EQ(match->route->daemon, daemon);
  }
  EXPECT_EQ(Table().Find("GET", "/api/billing/entitlements")->route->daemon, "entitlements");
  for (const char* path : {"/api/billing/account", "/api/billing/invoices", "/api/billing/payment-methods"}) {
    const auto match = Table().Find("GET", path);
    ASSERT_TRUE(match.ok()) << path;
    EXPECT_EQ(match->route->daemon, "checkout");
  }
}

TEST(RouteTableTest, TakesVariablesFromThePathDecoded) {
  const auto match = Table().Find("GET", "/api/billing/checkout/op%2F1%20x");
  ASSERT_TRUE(match.ok());
  ASSERT_EQ(match->variables.size(), 1u);
  EXPECT_EQ(match->variables[0].first, "operation");
  EXPECT_EQ(match->variables[0].second, "op/1 x");
}

TEST(RouteTableTest, UnknownPathsAreNotFound) {
  for (const char* path : {"", "/", "api/billing/plans", "/api/billing", "/api/billing/plans/", "//api/billing/plans",
                           "/api/billing/Plans", "/api/billing/plans/x", "/api/billing/checkout/",
                           "/api/billing/checkout/a/b", "/api/billing/checkout/%zz", "/api/billing/checkout/%00",
                           "/healthz", "/readyz", "/metrics", "/api/billing/../billing/plans"}) {
    EXPECT_EQ(ReasonOf(Table().Find("GET", path).status()), Reason::FAILURE_REASON_ROUTE_NOT_FOUND) << path;
  }
  EXPECT_EQ(ReasonOf(Table().Find("OPTIONS", "/api/billing/plans").status()), Reason::FAILURE_REASON_ROUTE_NOT_FOUND);
}

TEST(RouteTableTest, OtherVerbsAreToldWhichAreAllowed) {
  struct {
    const char* verb;
    const char* path;
    const char* allow;
  } const cases[] = {{"POST", "/api/billing/plans", "GET"},           {"GET", "/api/billing/checkout", "POST"},
                     {"DELETE", "/api/billing/checkout/op", "GET"},   {"HEAD", "/api/billing/plans", "GET"},
                     {"GET", "/api/billing/webhooks/stripe", "POST"}, {"get", "/api/billing/plans", "GET"}};
  for (const auto& one : cases) {
    const absl::Status status = Table().Find(one.verb, one.path).status();
    EXPECT_EQ(ReasonOf(status), Reason::FAILURE_REASON_METHOD_NOT_ALLOWED) << one.verb << " " << one.path;
    EXPECT_EQ(MetadataOf(status)["allow"], one.allow) << one.verb << " " << one.path;
  }
}

// A service of package billing.checkout.v1 made at run time. Its methods bear names that the method policy knows, where
// asked.
class MadeService {
 public:
  MadeService(const std::string& method_name, const google::api::HttpRule& rule, bool streaming = false,
              const google::api::HttpRule* second = nullptr) {
    FileDescriptorProto file;
    file.set_name("made.proto");
    file.set_package("billing.checkout.v1");
    auto* request = file.add_message_type();
    request->set_name("Req");
    for (const char* name : {"operation", "repeated_one"}) {
      auto* field = request->add_field();
      field->set_name(name);
      field->set_number(request->field_size());
      field->set_type(google::protobuf::FieldDescriptorProto::TYPE_STRING);
      field->set_label(name == std::string("operation") ? google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL
                                                        : google::protobuf::FieldDescriptorProto::LABEL_REPEATED);
    }
    auto* service = file.add_service();
    service->set_name("CheckoutService");
    const auto add = [&](const std::string& name, const google::api::HttpRule& http) {
      auto* method = service->add_method();
      method->set_name(name);
      method->set_input_type(".billing.checkout.v1.Req");
      method->set_output_type(".billing.checkout.v1.Req");
      method->set_server_streaming(streaming);
      *method->mutable_options()->MutableExtension(google::api::http) = http;
    };
    add(method_name, rule);
    if (second != nullptr) add("StartCheckout", *second);
    made_ = pool_.BuildFile(file);
  }
  absl::Status Build() const { return RouteTable::Build({made_->service(0)}).status(); }
  absl::StatusOr<RouteTable> Table() const { return RouteTable::Build({made_->service(0)}); }

 private:
  DescriptorPool pool_;
  const FileDescriptor* made_;
};

google::api::HttpRule Get(const std::string& pattern) {
  google::api::HttpRule rule;
  rule.set_get(pattern);
  return rule;
}

TEST(RouteTableTest, AMethodThatGainsAnOptionIsServed) {
  google::api::HttpRule rule = Get("/api/billing/made/{operation}");
  *rule.add_additional_bindings() = Get("/api/billing/also-made");
  const auto table = MadeService("GetCheckout", rule).Table();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->Find("GET", "/api/billing/made/7").ok());
  EXPECT_TRUE(table->Find("GET", "/api/billing/also-made").ok());
}

TEST(RouteTableTest, ALiteralWinsOverAVariable) {
  const google::api::HttpRule literal = Get("/api/billing/made/latest");
  const auto table = MadeService("GetCheckout", Get("/api/billing/made/{operation}"), false, &literal).Table();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->Find("GET", "/api/billing/made/latest")->route->pattern, "/api/billing/made/latest");
  EXPECT_EQ(table->Find("GET", "/api/billing/made/other")->route->pattern, "/api/billing/made/{operation}");
}

TEST(RouteTableTest, OptionsThatCannotBeServedAreRefusedAtStart) {
  EXPECT_TRUE(MadeService("GetCheckout", Get("/a/{operation}")).Build().ok());
  for (const char* pattern : {"", "a", "/a//b", "/a/{operation=**}", "/a/*", "/a/{operation}:verb", "/a/{nothing}",
                              "/a/{}", "/a/{repeated_one}", "/a/{operation.deeper}", "/a/x{operation}"}) {
    EXPECT_FALSE(MadeService("GetCheckout", Get(pattern)).Build().ok()) << pattern;
  }
  google::api::HttpRule half = Get("/a");
  half.set_body("operation");
  EXPECT_FALSE(MadeService("GetCheckout", half).Build().ok());
  google::api::HttpRule with_body = Get("/a");
  with_body.set_body("*");
  EXPECT_FALSE(MadeService("GetCheckout", with_body).Build().ok());
  EXPECT_FALSE(MadeService("GetCheckout", Get("/a"), /*streaming=*/true).Build().ok());
  // Not in the policy, or not for the edge.
  EXPECT_FALSE(MadeService("Unheard", Get("/a")).Build().ok());
  const google::api::HttpRule same = Get("/a/{operation}");
  EXPECT_FALSE(MadeService("GetCheckout", Get("/a/{operation}"), false, &same).Build().ok());
}

}  // namespace
}  // namespace billmesh::edge
