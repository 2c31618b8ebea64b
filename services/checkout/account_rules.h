// What an entity, a slug, a subject may look like, and who may be a member of what. Pure: no I/O, no clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "billing/checkout/v1/account.pb.h"
#include "billing/types/v1/entity.pb.h"

namespace billmesh::checkout {

inline constexpr size_t kMaxRefBytes = 255;
inline constexpr size_t kMaxSlugBytes = 63;
inline constexpr size_t kMaxDisplayNameBytes = 200;
inline constexpr size_t kMaxSubjectBytes = 255;

// An entity as it would be made. Optional members are empty strings.
struct NewEntity {
  std::string kind;  // as stored: workspace, user, organization, external
  std::string ref;
  std::string slug;
  std::string display_name;
  std::string owner_subject;
};

// Checks a request of EnsureEntity. INVALID_ARGUMENT with the field:
// - the kind is one of TEN-1, the ref has 1 to 255 bytes of UTF-8 without control characters;
// - a slug is for workspaces, matches ^[a-z0-9][a-z0-9-]{0,62}$ and doesn't look like a UUID (a selector takes slug or
// ref);
// - a user entity names its owner (TEN-5), an external one has none: services only.
absl::StatusOr<NewEntity> ValidateNewEntity(const billing::checkout::v1::EnsureEntityRequest& request);

// 1 to 255 bytes of UTF-8 without control characters.
absl::Status ValidateSubject(std::string_view subject, std::string_view field);

// Whether people are members of this kind: workspaces and organizations. A user entity has its owner only, an external
// one nobody.
bool TakesMembers(std::string_view kind);

// Names of kinds and roles, both ways. Unknown names give UNSPECIFIED; the name of UNSPECIFIED is empty.
std::string_view KindName(billing::types::v1::EntityKind kind);
billing::types::v1::EntityKind KindFromName(std::string_view name);
std::string_view RoleName(billing::checkout::v1::MemberRole role);
billing::checkout::v1::MemberRole RoleFromName(std::string_view name);

// What a membership change would do, given what is stored.
struct MembershipNow {
  std::optional<std::string> role;  // the subject's; none if not a member
  int64_t owners = 0;               // of the entity, the subject included
};
enum class MembershipVerdict {
  kUnchanged,  // it is so already
  kApply,
  kLastOwner,  // would leave an entity that has an owner without one: refused
};
// `role` empty removes.
MembershipVerdict JudgeMembership(const MembershipNow& now, std::string_view role);

}  // namespace billmesh::checkout
