#include "deploy/billctl/entitlements_commands.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "billing/entitlements/v1/entitlements.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::entitlements::v1;
namespace types = ::billing::types::v1;

constexpr char kPeer[] = "entitlements";

// ENTITLEMENT_STATUS_PAST_DUE → past_due.
std::string StatusName(pb::EntitlementStatus status) {
  return absl::AsciiStrToLower(pb::EntitlementStatus_Name(status).substr(sizeof("ENTITLEMENT_STATUS_") - 1));
}

std::string Describe(const types::EntitlementValue& value) {
  switch (value.value_case()) {
    case types::EntitlementValue::kBoolean:
      return value.boolean().enabled() ? "enabled" : "disabled";
    case types::EntitlementValue::kQuota:
      return absl::StrCat(value.quota().limit(), " per ", value.quota().interval(), ", ",
                          value.quota().enforcement() == types::QUOTA_ENFORCEMENT_HARD ? "hard" : "soft");
    case types::EntitlementValue::kStringList:
      return absl::StrJoin(value.string_list().values(), ", ");
    case types::EntitlementValue::VALUE_NOT_SET:
      break;
  }
  return "nothing";
}

absl::StatusOr<int> Get(Context& context) {
  pb::GetEntitlementsRequest request;
  RETURN_IF_ERROR(ReadSelector(context.config, *request.mutable_entity()));
  pb::GetEntitlementsResponse response;
  RETURN_IF_ERROR(Call<pb::EntitlementsService>(context, kPeer, &pb::EntitlementsService::Stub::GetEntitlements,
                                                request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  context.out << (response.plan_code().empty() ? "no plan" : response.plan_code()) << ", "
              << StatusName(response.status()) << ", revision " << response.revision()
              << (response.stale() ? ", stale" : "") << "\n";
  const std::map<std::string, pb::GrantedEntitlement> sorted(response.entitlements().begin(),
                                                             response.entitlements().end());
  for (const auto& [key, granted] : sorted) {
    context.out << "  " << key << ": " << Describe(granted.value()) << " (" << granted.source() << ")\n";
  }
  return kExitOk;
}

absl::StatusOr<int> Check(Context& context) {
  RETURN_IF_ERROR(RequireFlags(context.config, {"entity", "key"}));
  pb::CheckRequest request;
  request.set_entity_id(context.config.Get("entity"));
  request.set_key(context.config.Get("key"));
  pb::CheckResponse response;
  RETURN_IF_ERROR(
      Call<pb::EntitlementsService>(context, kPeer, &pb::EntitlementsService::Stub::Check, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << (response.granted() ? "granted" : "denied") << ": " << request.key() << ": "
                << Describe(response.value())
                << (response.source().empty() ? "" : absl::StrCat(" (", response.source(), ")")) << ", revision "
                << response.revision() << (response.stale() ? ", stale" : "") << "\n";
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> EntitlementsCommands() {
  return {
      {"entitlements get",
       {},
       "what an entity may do",
       Joined({PeerSettings(kPeer, "10s"), SelectorSettings()}),
       {},
       Get},
      {"entitlements check",
       {},
       "whether an entity may use a key; a denial is an answer, not a failure",
       Joined({PeerSettings(kPeer, "10s"),
               {TextFlag("entity", "the entity's id (UUID)"), TextFlag("key", "the entitlement key")}}),
       {},
       Check},
  };
}

}  // namespace billmesh::billctl
