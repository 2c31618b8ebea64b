#include "services/checkout/catalog_server.h"

#include <algorithm>

#include "common/catalog/catalog_file.h"
#include "common/rpc/call.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

namespace pb = ::billing::checkout::v1;

// What an apply may take at most, whatever its caller would wait: each price is fetched from the provider.
constexpr absl::Duration kMaxApply = absl::Minutes(5);

void ToProto(const catalog::Plan& plan, const std::string& provider, pb::Plan& out) {
  out.set_code(plan.code);
  out.set_family_code(plan.family_code);
  out.set_version(static_cast<int32_t>(plan.version));
  out.set_name(plan.name);
  out.set_kind(plan.kind);
  out.set_pricing_model(plan.pricing_model);
  out.set_trial_days(static_cast<int32_t>(plan.trial_days));
  if (const catalog::Price* price = catalog::CorePrice(plan, provider); price != nullptr) {
    pb::PlanPrice& to = *out.mutable_core_price();
    to.set_unit_amount_minor(price->unit_amount_minor);
    to.set_currency(price->currency);
    to.set_interval(price->interval);
    to.set_interval_count(static_cast<int32_t>(price->interval_count));
  }
  for (const auto& [key, value] : plan.entitlements) (*out.mutable_entitlements())[key] = catalog::ToProto(value);
}

}  // namespace

grpc::ServerUnaryReactor* CatalogServer::ListPlans(grpc::CallbackServerContext* context, const pb::ListPlansRequest*,
                                                   pb::ListPlansResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.CatalogService/ListPlans",
                       [this, response](const rpc::CallContext&) -> absl::Status {
                         ASSIGN_OR_RETURN(const catalog::Catalog catalog, service_.Load());
                         for (const catalog::Plan& plan : catalog.plans()) {
                           // CAT-5: loading raised the alert for an invalid payload; the plan isn't offered.
                           if (!plan.active || !plan.invalid_entitlements.empty()) continue;
                           ToProto(plan, provider_name_, *response->add_plans());
                         }
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* CatalogServer::ApplyCatalog(grpc::CallbackServerContext* context,
                                                      const pb::ApplyCatalogRequest* request,
                                                      pb::ApplyCatalogResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.CatalogService/ApplyCatalog",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         if (request->yaml().size() > catalog::kMaxFileBytes) {
                           return Fail(Reason::FAILURE_REASON_REQUEST_TOO_LARGE, "a catalog file has at most 1 MiB");
                         }
                         const absl::Duration deadline =
                             std::min(call.deadline_monotonic, clock_.Monotonic() + kMaxApply);
                         ASSIGN_OR_RETURN(const ApplyReport report,
                                          service_.Apply(call.caller, request->yaml(), request->dry_run(), deadline));
                         for (const ReportedChange& change : report.changes) {
                           pb::CatalogChange& to = *response->add_changes();
                           to.set_action(std::string(ActionName(change.action)));
                           to.set_plan_code(change.plan_code);
                           to.set_item_code(change.item_code);
                           to.set_detail(change.detail);
                         }
                         response->set_applied(report.applied);
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* CatalogServer::ExportCatalog(grpc::CallbackServerContext* context,
                                                       const pb::ExportCatalogRequest*,
                                                       pb::ExportCatalogResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.CatalogService/ExportCatalog",
                       [this, response](const rpc::CallContext&) -> absl::Status {
                         ASSIGN_OR_RETURN(*response->mutable_yaml(), service_.Export());
                         return absl::OkStatus();
                       });
}

}  // namespace billmesh::checkout
