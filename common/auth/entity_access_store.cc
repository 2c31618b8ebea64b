#include <optional>

#include "absl/strings/ascii.h"
#include "common/auth/entity_access.h"
#include "common/auth/method_policy.h"
#include "common/ids/id_generator.h"
#include "common/status/status.h"

namespace billmesh::auth {
namespace {

using billing::types::v1::EntitySelector;

// The entities that a user reaches: workspaces and organizations by membership, user entities by ownership, external
// ones never (TEN-5). Two branches, so that each is an index lookup; the limits below bound what a caller can make us
// read.
constexpr char kReachableByUser[] = R"sql(
SELECT e.id, e.kind, e.ref, coalesce(e.slug, ''), e.display_name, e.revision, m.role, e.closed_at IS NOT NULL AS closed
FROM billing.entity_members m
JOIN billing.entities e ON e.id = m.entity_id
WHERE m.subject = $2 AND e.env = $1 AND e.kind IN ('workspace', 'organization') AND e.closed_at IS NULL
UNION ALL
SELECT e.id, e.kind, e.ref, coalesce(e.slug, ''), e.display_name, e.revision, 'owner', e.closed_at IS NOT NULL
FROM billing.entities e
WHERE e.env = $1 AND e.kind = 'user' AND e.owner_subject = $2 AND e.closed_at IS NULL
ORDER BY 4, 1
LIMIT $3
)sql";

// One entity by id, with the role that the user holds in it: null for none.
constexpr char kById[] = R"sql(
SELECT e.id, e.kind, e.ref, coalesce(e.slug, ''), e.display_name, e.revision,
       CASE WHEN e.kind IN ('workspace', 'organization') THEN m.role
            WHEN e.kind = 'user' AND e.owner_subject = $3 THEN 'owner' END AS role,
       e.closed_at IS NOT NULL AS closed
FROM billing.entities e
LEFT JOIN billing.entity_members m ON m.entity_id = e.id AND m.subject = $3
WHERE e.id = $2 AND e.env = $1
)sql";

// Workspaces by ref or slug. One workspace's slug may equal another's ref; slugs are chosen by users and refs are not,
// so the ref wins: nobody can stand in another's place by choosing a slug. At most two rows by the unique keys.
constexpr char kByWorkspace[] = R"sql(
SELECT e.id, e.kind, e.ref, coalesce(e.slug, ''), e.display_name, e.revision, m.role, e.closed_at IS NOT NULL AS closed
FROM billing.entities e
LEFT JOIN billing.entity_members m ON m.entity_id = e.id AND m.subject = $3
WHERE e.env = $1 AND e.kind = 'workspace' AND (e.ref = $2 OR e.slug = $2)
ORDER BY (e.ref = $2) DESC
)sql";

constexpr int kMaxReachable = 100;
constexpr size_t kMaxWorkspaceNameBytes = 255;

struct Candidate {
  ResolvedEntity entity;
  std::optional<std::string> role;
  bool closed;
};

Candidate ReadCandidate(const db::Row& row) {
  Candidate candidate;
  candidate.entity.entity_id = row.Text(0);
  candidate.entity.kind = row.Text(1);
  candidate.entity.ref = row.Text(2);
  candidate.entity.slug = row.Text(3);
  candidate.entity.display_name = row.Text(4);
  candidate.entity.revision = row.Int(5);
  candidate.role = row.OptText(6);
  candidate.closed = row.Bool(7);
  return candidate;
}

// The same words for what doesn't exist and what isn't the caller's.
absl::Status NotFound() { return Fail(Reason::FAILURE_REASON_ENTITY_NOT_FOUND, "no such entity"); }

absl::StatusOr<std::vector<Candidate>> ReadNamed(db::Tx& tx, std::string_view env, const EntitySelector& selector,
                                                 std::string_view subject) {
  if (!selector.entity_id().empty() && !selector.workspace().empty()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "name the entity by workspace or by entity_id, not by both",
                {{"field", "entity"}});
  }
  std::vector<Candidate> found;
  const bool by_id = !selector.entity_id().empty();
  const std::string name = by_id ? absl::AsciiStrToLower(selector.entity_id()) : selector.workspace();
  // What no entity can be called isn't looked up; a NUL would even end the parameter early.
  if (by_id ? !IsUuid(name) : name.size() > kMaxWorkspaceNameBytes || name.find('\0') != std::string::npos)
    return found;
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(by_id ? kById : kByWorkspace, {env, name, subject}));
  for (int i = 0; i < rows.size(); ++i) found.push_back(ReadCandidate(rows[i]));
  return found;
}

absl::StatusOr<ResolvedEntity> Admit(const Candidate& candidate, std::string_view permission) {
  // A closed entity can be read but not written.
  if (candidate.closed && permission != kBillingRead) return NotFound();
  ResolvedEntity entity = candidate.entity;
  entity.role = candidate.role.value_or("");
  return entity;
}

absl::StatusOr<ResolvedEntity> ResolveForUser(db::Tx& tx, std::string_view env, const UserIdentity& user,
                                              const EntitySelector& selector, std::string_view permission) {
  std::vector<Candidate> candidates;
  if (selector.workspace().empty() && selector.entity_id().empty()) {
    ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(kReachableByUser, {env, user.subject, 2}));
    for (int i = 0; i < rows.size(); ++i) candidates.push_back(ReadCandidate(rows[i]));
    if (candidates.size() > 1) {
      return Fail(Reason::FAILURE_REASON_WORKSPACE_SELECTION_REQUIRED, "several entities are yours: name one");
    }
  } else {
    ASSIGN_OR_RETURN(candidates, ReadNamed(tx, env, selector, user.subject));
  }
  for (const Candidate& candidate : candidates) {
    if (!candidate.role.has_value()) continue;  // not the user's: as if it weren't there
    if (!RoleGrants(*candidate.role, permission)) {
      return Fail(Reason::FAILURE_REASON_PERMISSION_DENIED, "your role doesn't allow this",
                  {{"permission", std::string(permission)}});
    }
    return Admit(candidate, permission);
  }
  return NotFound();
}

absl::StatusOr<ResolvedEntity> ResolveForService(db::Tx& tx, std::string_view env, const EntitySelector& selector,
                                                 std::string_view permission) {
  if (selector.workspace().empty() && selector.entity_id().empty()) {
    return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "a service must name the entity", {{"field", "entity"}});
  }
  ASSIGN_OR_RETURN(std::vector<Candidate> candidates, ReadNamed(tx, env, selector, ""));
  if (candidates.empty()) return NotFound();
  candidates.front().role.reset();
  return Admit(candidates.front(), permission);
}

}  // namespace

absl::StatusOr<ResolvedEntity> ResolveEntity(db::Tx& tx, std::string_view env, const Caller& caller,
                                             const EntitySelector& selector, std::string_view permission) {
  if (caller.user.has_value()) return ResolveForUser(tx, env, *caller.user, selector, permission);
  // The edge acts for users only; without one it may name nothing.
  if (caller.kind == CallerKind::kEdge)
    return Fail(Reason::FAILURE_REASON_UNAUTHENTICATED, "a signed-in user is needed");
  if (caller.kind == CallerKind::kUnknown) return Fail(Reason::FAILURE_REASON_PERMISSION_DENIED, "unknown caller");
  return ResolveForService(tx, env, selector, permission);
}

absl::StatusOr<std::vector<ResolvedEntity>> ReachableEntities(db::Tx& tx, std::string_view env,
                                                              std::string_view subject) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec(kReachableByUser, {env, subject, kMaxReachable}));
  std::vector<ResolvedEntity> entities;
  for (int i = 0; i < rows.size(); ++i) {
    Candidate candidate = ReadCandidate(rows[i]);
    candidate.entity.role = candidate.role.value_or("");
    entities.push_back(std::move(candidate.entity));
  }
  return entities;
}

}  // namespace billmesh::auth
