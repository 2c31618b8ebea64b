#include "deploy/billctl/workspace_commands.h"

#include <algorithm>

#include "billing/checkout/v1/account.grpc.pb.h"
#include "common/status/status.h"
#include "deploy/billctl/peers.h"
#include "google/protobuf/util/time_util.h"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::checkout::v1;
namespace types = ::billing::types::v1;

constexpr char kPeer[] = "checkout";

absl::StatusOr<int> Ensure(Context& context) {
  RETURN_IF_ERROR(RequireFlags(context.config, {"slug"}));
  const std::string& ref = context.config.Get("ref");
  pb::EnsureEntityRequest request;
  request.set_kind(types::ENTITY_KIND_WORKSPACE);
  request.set_slug(context.config.Get("slug"));
  request.set_ref(ref.empty() ? request.slug() : ref);
  request.set_display_name(context.config.Get("name"));
  request.set_owner_subject(context.config.Get("owner"));
  pb::EnsureEntityResponse response;
  RETURN_IF_ERROR(Call<pb::AccountService>(context, kPeer, &pb::AccountService::Stub::EnsureEntity, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << (response.created() ? "created workspace " : "found workspace ") << response.entity().slug() << " ("
                << response.entity().entity_id() << ")\n";
  }
  return kExitOk;
}

// "owner" → MEMBER_ROLE_OWNER; none → UNSPECIFIED, which removes.
absl::StatusOr<pb::MemberRole> ReadRole(std::string role) {
  if (role == "none") return pb::MEMBER_ROLE_UNSPECIFIED;
  std::transform(role.begin(), role.end(), role.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  pb::MemberRole parsed;
  if (!pb::MemberRole_Parse("MEMBER_ROLE_" + role, &parsed) || parsed == pb::MEMBER_ROLE_UNSPECIFIED) {
    return UsageError("--role: expected owner, admin, member, viewer or none");
  }
  return parsed;
}

absl::StatusOr<int> SetMember(Context& context) {
  RETURN_IF_ERROR(RequireFlags(context.config, {"slug", "subject", "role"}));
  pb::SetMemberRequest request;
  request.mutable_entity()->set_workspace(context.config.Get("slug"));
  request.set_subject(context.config.Get("subject"));
  ASSIGN_OR_RETURN(const pb::MemberRole role, ReadRole(context.config.Get("role")));
  request.set_role(role);
  pb::SetMemberResponse response;
  RETURN_IF_ERROR(Call<pb::AccountService>(context, kPeer, &pb::AccountService::Stub::SetMember, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << (response.changed() ? "changed: " : "unchanged: ") << request.subject() << " has role "
                << context.config.Get("role") << " in " << context.config.Get("slug") << "\n";
  }
  return kExitOk;
}

absl::StatusOr<int> ShowSubscription(Context& context) {
  pb::GetSubscriptionRequest request;
  RETURN_IF_ERROR(ReadSelector(context.config, *request.mutable_entity()));
  pb::GetSubscriptionResponse response;
  RETURN_IF_ERROR(
      Call<pb::AccountService>(context, kPeer, &pb::AccountService::Stub::GetSubscription, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  if (!response.has_subscription()) {
    context.out << "no current subscription\n";
    return kExitOk;
  }
  const pb::Subscription& subscription = response.subscription();
  context.out << subscription.plan_code() << ", " << subscription.status();
  if (subscription.has_current_period_end()) {
    context.out << (subscription.cancel_at_period_end() ? ", ends " : ", until ")
                << google::protobuf::util::TimeUtil::ToString(subscription.current_period_end());
  }
  context.out << "\n";
  for (const pb::SubscriptionItem& item : subscription.items()) {
    context.out << "  " << item.quantity() << " × " << (item.plan_code().empty() ? "(no plan)" : item.plan_code())
                << "\n";
  }
  return kExitOk;
}

}  // namespace

std::vector<Command> WorkspaceCommands() {
  return {
      {"workspace ensure",
       {},
       "make a workspace, or find the one that is there",
       Joined({PeerSettings(kPeer),
               {TextFlag("slug", "short name in URLs"),
                TextFlag("ref", "the owner system's identifier; the slug if left out"),
                TextFlag("name", "display name"), TextFlag("owner", "subject (JWT sub) of its first owner")}}),
       {},
       Ensure},
      {"workspace member",
       {},
       "set or remove a member's role",
       Joined({PeerSettings(kPeer),
               {TextFlag("slug", "the workspace's slug or ref"), TextFlag("subject", "the member's subject (JWT sub)"),
                TextFlag("role", "owner, admin, member, viewer, or none to remove")}}),
       {},
       SetMember},
      {"workspace subscription",
       {},
       "show the current subscription",
       Joined({PeerSettings(kPeer), SelectorSettings()}),
       {},
       ShowSubscription},
  };
}

}  // namespace billmesh::billctl
