// Use cases of AccountService: entities, members, what an entity has. Owns the transaction boundaries. Thread safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "billing/checkout/v1/account.pb.h"
#include "common/auth/entity_access.h"
#include "common/auth/identity.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "services/checkout/account_store.h"

namespace billmesh::checkout {

struct EnsuredEntity {
  EntityRow entity;
  bool created = false;
};

class AccountService {
 public:
  // All must outlive the service.
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    std::string env;
  };
  explicit AccountService(Deps deps) : deps_(std::move(deps)) {}

  // TEN-9: one entity for (env, kind, ref), whoever races. A new one comes with its owner's membership, its change-feed
  // row and its audit rows in one transaction. ALREADY_EXISTS (what: slug) when another workspace has the slug.
  absl::StatusOr<EnsuredEntity> EnsureEntity(const auth::Caller& caller, const NewEntity& entity);

  // Sets a role, or removes the member where `role` is empty. False if it was so already: nothing is written then.
  // Refusals: ENTITY_NOT_FOUND, INVALID_ARGUMENT for kinds without members, CONSTRAINT_VIOLATION (constraint:
  // last_owner).
  absl::StatusOr<bool> SetMember(const auth::Caller& caller, const billing::types::v1::EntitySelector& selector,
                                 const std::string& subject, const std::string& role);

  // The entities that a user reaches.
  absl::StatusOr<std::vector<auth::ResolvedEntity>> ListEntities(const auth::UserIdentity& user);

  // The current subscription, read through the tenant's transaction (TEN-7).
  absl::StatusOr<std::optional<SubscriptionRow>> GetSubscription(const auth::Caller& caller,
                                                                 const billing::types::v1::EntitySelector& selector);

 private:
  Deps deps_;
};

}  // namespace billmesh::checkout
