#include "services/checkout/account_server.h"

#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/status/status.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::checkout {
namespace {

namespace pb = ::billing::checkout::v1;

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

void ToProto(const SubscriptionRow& row, pb::Subscription& out) {
  out.set_subscription_id(row.id);
  out.set_status(row.status);
  out.set_cancel_at_period_end(row.cancel_at_period_end);
  if (row.trial_end.has_value()) *out.mutable_trial_end() = ToProto(*row.trial_end);
  for (const SubscriptionItemRow& item : row.items) {
    pb::SubscriptionItem& to = *out.add_items();
    to.set_plan_code(item.plan_code);
    to.set_quantity(item.quantity);
    if (item.period_start.has_value()) *to.mutable_current_period_start() = ToProto(*item.period_start);
    if (item.period_end.has_value()) *to.mutable_current_period_end() = ToProto(*item.period_end);
    // The subscription speaks for its base plan, whose items come first.
    if (item.plan_kind == "base" && out.plan_code().empty()) {
      out.set_plan_code(item.plan_code);
      if (to.has_current_period_start()) *out.mutable_current_period_start() = to.current_period_start();
      if (to.has_current_period_end()) *out.mutable_current_period_end() = to.current_period_end();
    }
  }
}

}  // namespace

grpc::ServerUnaryReactor* AccountServer::EnsureEntity(grpc::CallbackServerContext* context,
                                                      const pb::EnsureEntityRequest* request,
                                                      pb::EnsureEntityResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.AccountService/EnsureEntity",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(const NewEntity entity, ValidateNewEntity(*request));
                         ASSIGN_OR_RETURN(const EnsuredEntity ensured, service_.EnsureEntity(call.caller, entity));
                         auto& out = *response->mutable_entity();
                         out.set_entity_id(ensured.entity.id);
                         out.set_kind(KindFromName(ensured.entity.kind));
                         out.set_ref(ensured.entity.ref);
                         out.set_slug(ensured.entity.slug);
                         out.set_display_name(ensured.entity.display_name);
                         out.set_revision(ensured.entity.revision);
                         response->set_created(ensured.created);
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* AccountServer::SetMember(grpc::CallbackServerContext* context,
                                                   const pb::SetMemberRequest* request,
                                                   pb::SetMemberResponse* response) {
  return rpc::Blocking(
      calls_, context, "/billing.checkout.v1.AccountService/SetMember",
      [this, request, response](const rpc::CallContext& call) -> absl::Status {
        RETURN_IF_ERROR(ValidateSubject(request->subject(), "subject"));
        const std::string role(RoleName(request->role()));
        if (role.empty() && request->role() != pb::MEMBER_ROLE_UNSPECIFIED) {
          return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "role: unknown value", {{"field", "role"}});
        }
        ASSIGN_OR_RETURN(const bool changed,
                         service_.SetMember(call.caller, request->entity(), request->subject(), role));
        response->set_changed(changed);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AccountServer::ListEntities(grpc::CallbackServerContext* context,
                                                      const pb::ListEntitiesRequest*,
                                                      pb::ListEntitiesResponse* response) {
  return rpc::Blocking(
      calls_, context, "/billing.checkout.v1.AccountService/ListEntities",
      [this, response](const rpc::CallContext& call) -> absl::Status {
        if (!call.caller.user.has_value()) {
          return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "entities are listed for a signed-in user");
        }
        ASSIGN_OR_RETURN(const std::vector<auth::ResolvedEntity> entities, service_.ListEntities(*call.caller.user));
        for (const auth::ResolvedEntity& entity : entities) {
          pb::ReachableEntity& to = *response->add_entities();
          to.set_role(RoleFromName(entity.role));
          to.mutable_entity()->set_entity_id(entity.entity_id);
          to.mutable_entity()->set_kind(KindFromName(entity.kind));
          to.mutable_entity()->set_ref(entity.ref);
          to.mutable_entity()->set_slug(entity.slug);
          to.mutable_entity()->set_display_name(entity.display_name);
          to.mutable_entity()->set_revision(entity.revision);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AccountServer::GetSubscription(grpc::CallbackServerContext* context,
                                                         const pb::GetSubscriptionRequest* request,
                                                         pb::GetSubscriptionResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.AccountService/GetSubscription",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(const std::optional<SubscriptionRow> subscription,
                                          service_.GetSubscription(call.caller, request->entity()));
                         if (subscription.has_value()) ToProto(*subscription, *response->mutable_subscription());
                         return absl::OkStatus();
                       });
}

}  // namespace billmesh::checkout
