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

void ToProto(const auth::ResolvedEntity& entity, billing::types::v1::Entity& out) {
  out.set_entity_id(entity.entity_id);
  out.set_kind(KindFromName(entity.kind));
  out.set_ref(entity.ref);
  out.set_slug(entity.slug);
  out.set_display_name(entity.display_name);
  out.set_revision(entity.revision);
}

void ToProto(const CustomerRow& row, pb::Customer& out) {
  out.set_provider(row.provider);
  *out.mutable_linked_at() = ToProto(row.linked_at);
}

void ToProto(const InvoiceRow& row, pb::Invoice& out) {
  out.set_invoice_id(row.id);
  out.set_number(row.number);
  out.set_status(row.status);
  out.set_currency(row.currency);
  out.set_total_minor(row.total_minor);
  out.set_amount_due_minor(row.amount_due_minor);
  out.set_amount_paid_minor(row.amount_paid_minor);
  out.set_amount_remaining_minor(row.amount_remaining_minor);
  out.set_billing_reason(row.billing_reason);
  if (row.period_start.has_value()) *out.mutable_period_start() = ToProto(*row.period_start);
  if (row.period_end.has_value()) *out.mutable_period_end() = ToProto(*row.period_end);
  out.set_hosted_invoice_url(row.hosted_url);
  *out.mutable_created_at() = ToProto(row.created_at);
}

void ToProto(const PaymentRow& row, pb::Payment& out) {
  out.set_payment_id(row.id);
  out.set_status(row.status);
  out.set_currency(row.currency);
  out.set_amount_minor(row.amount_minor);
  out.set_amount_refunded_minor(row.amount_refunded_minor);
  out.set_failure_code(row.failure_code);
  out.set_dispute_status(row.dispute_status);
  out.set_invoice_id(row.invoice_id);
  out.set_item_code(row.item_code);
  *out.mutable_created_at() = ToProto(row.created_at);
}

void ToProto(const PaymentMethodRow& row, pb::PaymentMethod& out) {
  out.set_payment_method_id(row.id);
  out.set_type(row.type);
  out.set_brand(row.brand);
  out.set_last4(row.last4);
  out.set_exp_month(static_cast<int32_t>(row.exp_month.value_or(0)));
  out.set_exp_year(static_cast<int32_t>(row.exp_year.value_or(0)));
  out.set_wallet(row.wallet);
  out.set_is_default(row.is_default);
  *out.mutable_created_at() = ToProto(row.created_at);
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
          ToProto(entity, *to.mutable_entity());
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

grpc::ServerUnaryReactor* AccountServer::GetAccountSnapshot(grpc::CallbackServerContext* context,
                                                            const pb::GetAccountSnapshotRequest* request,
                                                            pb::GetAccountSnapshotResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.AccountService/GetAccountSnapshot",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(const AccountSnapshot snapshot,
                                          service_.GetSnapshot(call.caller, request->entity()));
                         ToProto(snapshot.entity, *response->mutable_entity());
                         if (snapshot.customer.has_value()) ToProto(*snapshot.customer, *response->mutable_customer());
                         if (snapshot.subscription.has_value())
                           ToProto(*snapshot.subscription, *response->mutable_subscription());
                         for (const InvoiceRow& row : snapshot.invoices) ToProto(row, *response->add_invoices());
                         for (const PaymentRow& row : snapshot.payments) ToProto(row, *response->add_payments());
                         for (const PaymentMethodRow& row : snapshot.payment_methods)
                           ToProto(row, *response->add_payment_methods());
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* AccountServer::ListInvoices(grpc::CallbackServerContext* context,
                                                      const pb::ListInvoicesRequest* request,
                                                      pb::ListInvoicesResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.AccountService/ListInvoices",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(Page<InvoiceRow> page,
                                          service_.ListInvoices(call.caller, request->entity(), request->page_size(),
                                                                request->page_token()));
                         for (const InvoiceRow& row : page.rows) ToProto(row, *response->add_invoices());
                         response->set_next_page_token(std::move(page.next_token));
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* AccountServer::ListPaymentMethods(grpc::CallbackServerContext* context,
                                                            const pb::ListPaymentMethodsRequest* request,
                                                            pb::ListPaymentMethodsResponse* response) {
  return rpc::Blocking(calls_, context, "/billing.checkout.v1.AccountService/ListPaymentMethods",
                       [this, request, response](const rpc::CallContext& call) -> absl::Status {
                         ASSIGN_OR_RETURN(Page<PaymentMethodRow> page,
                                          service_.ListPaymentMethods(call.caller, request->entity(),
                                                                      request->page_size(), request->page_token()));
                         for (const PaymentMethodRow& row : page.rows) ToProto(row, *response->add_payment_methods());
                         response->set_next_page_token(std::move(page.next_token));
                         return absl::OkStatus();
                       });
}

}  // namespace billmesh::checkout
