#include "services/checkout/account_rules.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"

namespace billmesh::checkout {
namespace {

namespace pb = ::billing::checkout::v1;
namespace types = ::billing::types::v1;

constexpr std::array<std::pair<types::EntityKind, std::string_view>, 4> kKinds = {{
    {types::ENTITY_KIND_WORKSPACE, "workspace"},
    {types::ENTITY_KIND_USER, "user"},
    {types::ENTITY_KIND_ORGANIZATION, "organization"},
    {types::ENTITY_KIND_EXTERNAL, "external"},
}};

constexpr std::array<std::pair<pb::MemberRole, std::string_view>, 4> kRoles = {{
    {pb::MEMBER_ROLE_OWNER, "owner"},
    {pb::MEMBER_ROLE_ADMIN, "admin"},
    {pb::MEMBER_ROLE_MEMBER, "member"},
    {pb::MEMBER_ROLE_VIEWER, "viewer"},
}};

absl::Status Bad(std::string_view field, std::string_view why) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(AbslView(field), ": ", AbslView(why)),
              {{"field", std::string(field)}});
}

// protobuf refuses strings that aren't UTF-8 before they get here; control characters are ours to refuse.
bool HasControl(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

absl::Status CheckText(std::string_view text, size_t min, size_t max, std::string_view field) {
  if (text.size() < min || text.size() > max) {
    return Bad(field, absl::StrCat("expected ", min, " to ", max, " bytes"));
  }
  if (HasControl(text)) return Bad(field, "holds a control character");
  return absl::OkStatus();
}

bool IsSlug(std::string_view slug) {
  if (slug.empty() || slug.size() > kMaxSlugBytes || slug.front() == '-') return false;
  for (const char c : slug) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<NewEntity> ValidateNewEntity(const pb::EnsureEntityRequest& request) {
  const std::string_view kind = KindName(request.kind());
  if (kind.empty()) return Bad("kind", "expected workspace, user, organization or external");
  RETURN_IF_ERROR(CheckText(request.ref(), 1, kMaxRefBytes, "ref"));
  RETURN_IF_ERROR(CheckText(request.display_name(), 0, kMaxDisplayNameBytes, "display_name"));
  RETURN_IF_ERROR(CheckText(request.owner_subject(), 0, kMaxSubjectBytes, "owner_subject"));
  if (!request.slug().empty()) {
    if (kind != "workspace") return Bad("slug", "only workspaces have one");
    if (!IsSlug(request.slug())) return Bad("slug", "expected ^[a-z0-9][a-z0-9-]{0,62}$");
    if (IsUuid(request.slug())) return Bad("slug", "looks like a UUID");
  }
  if (kind == "user" && request.owner_subject().empty()) return Bad("owner_subject", "a user entity needs its owner");
  if (kind == "external" && !request.owner_subject().empty())
    return Bad("owner_subject", "an external entity has none");
  return NewEntity{std::string(kind), request.ref(), request.slug(), request.display_name(), request.owner_subject()};
}

absl::Status ValidateSubject(std::string_view subject, std::string_view field) {
  return CheckText(subject, 1, kMaxSubjectBytes, field);
}

bool TakesMembers(std::string_view kind) { return kind == "workspace" || kind == "organization"; }

std::string_view KindName(types::EntityKind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  return "";
}

types::EntityKind KindFromName(std::string_view name) {
  for (const auto& [value, known] : kKinds) {
    if (known == name) return value;
  }
  return types::ENTITY_KIND_UNSPECIFIED;
}

std::string_view RoleName(pb::MemberRole role) {
  for (const auto& [value, name] : kRoles) {
    if (value == role) return name;
  }
  return "";
}

pb::MemberRole RoleFromName(std::string_view name) {
  for (const auto& [value, known] : kRoles) {
    if (known == name) return value;
  }
  return pb::MEMBER_ROLE_UNSPECIFIED;
}

MembershipVerdict JudgeMembership(const MembershipNow& now, std::string_view role) {
  if (now.role.value_or("") == role) return MembershipVerdict::kUnchanged;
  if (now.role == "owner" && now.owners <= 1) return MembershipVerdict::kLastOwner;
  return MembershipVerdict::kApply;
}

}  // namespace billmesh::checkout
