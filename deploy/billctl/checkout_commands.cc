#include "deploy/billctl/checkout_commands.h"

#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::checkout::v1;

constexpr char kPeer[] = "checkout";

absl::StatusOr<int> Start(Context& context) {
  RETURN_IF_ERROR(RequireFlags(context.config, {"plan"}));
  pb::StartCheckoutRequest request;
  RETURN_IF_ERROR(ReadSelector(context.config, *request.mutable_entity()));
  const std::string& key = context.config.Get("key");
  request.set_idempotency_key(key.empty() ? context.ids.NewId() : key);
  request.set_plan_code(context.config.Get("plan"));
  request.set_success_path(context.config.Get("success-path"));
  request.set_cancel_path(context.config.Get("cancel-path"));
  request.set_seats(context.config.GetInt("seats"));
  pb::StartCheckoutResponse response;
  RETURN_IF_ERROR(
      Call<pb::CheckoutService>(context, kPeer, &pb::CheckoutService::Stub::StartCheckout, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << response.url() << "\noperation " << response.operation() << "\n";
  }
  return kExitOk;
}

absl::StatusOr<int> Show(Context& context) {
  pb::GetCheckoutRequest request;
  RETURN_IF_ERROR(ReadSelector(context.config, *request.mutable_entity()));
  request.set_operation(context.arguments[0]);
  pb::GetCheckoutResponse response;
  RETURN_IF_ERROR(
      Call<pb::CheckoutService>(context, kPeer, &pb::CheckoutService::Stub::GetCheckout, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  context.out << response.plan_code() << ": operation " << pb::OperationStatus_Name(response.operation_status());
  if (!response.failure_code().empty()) context.out << " (" << response.failure_code() << ")";
  context.out << ", session " << pb::CheckoutSessionStatus_Name(response.session_status()) << "\n";
  if (!response.url().empty()) context.out << response.url() << "\n";
  return kExitOk;
}

}  // namespace

std::vector<Command> CheckoutCommands() {
  return {
      {"checkout start",
       {},
       "open a hosted checkout for an entity",
       Joined(
           {PeerSettings(kPeer),
            SelectorSettings(),
            {TextFlag("plan", "the plan's code"),
             TextFlag("key", "idempotency key; a new one if left out, so that each run is a checkout of its own"),
             {"success-path", "", config::Type::kString, "/", "where the buyer comes back to after paying"},
             {"cancel-path", "", config::Type::kString, "/", "where the buyer comes back to without paying"},
             {"seats", "", config::Type::kInt, "0", "seats of a per-seat plan; 0: the plan's minimum", 0, 1'000'000}}}),
       {},
       Start},
      {"checkout show",
       {"OPERATION"},
       "what became of a checkout",
       Joined({PeerSettings(kPeer), SelectorSettings()}),
       {},
       Show},
  };
}

}  // namespace billmesh::billctl
