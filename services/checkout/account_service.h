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
#include "services/checkout/account_page.h"
#include "services/checkout/account_read_store.h"
#include "services/checkout/account_store.h"

namespace billmesh::checkout {

struct EnsuredEntity {
  EntityRow entity;
  bool created = false;
};

// How much of each list a snapshot shows.
inline constexpr int kSnapshotInvoices = 5;
inline constexpr int kSnapshotPayments = 5;
inline constexpr int kSnapshotPaymentMethods = 20;

// What an entity has (PRT-7).
struct AccountSnapshot {
  auth::ResolvedEntity entity;  // with the revision that the rest is of
  std::optional<CustomerRow> customer;
  std::optional<SubscriptionRow> subscription;
  std::vector<InvoiceRow> invoices;               // newest first
  std::vector<PaymentRow> payments;               // newest first
  std::vector<PaymentMethodRow> payment_methods;  // the default one, then newest first
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

  // The next three resolve the entity with workspace.billing.read (refusals of auth::ResolveEntity) and read through
  // the tenant's transaction.

  // PRT-7, all of one revision. TRANSACTION_CONFLICT where the entity changed during each of the pool's attempts.
  absl::StatusOr<AccountSnapshot> GetSnapshot(const auth::Caller& caller,
                                              const billing::types::v1::EntitySelector& selector);

  // Newest first. INVALID_ARGUMENT for a size or a token that ReadPageRequest refuses.
  absl::StatusOr<Page<InvoiceRow>> ListInvoices(const auth::Caller& caller,
                                                const billing::types::v1::EntitySelector& selector, int32_t page_size,
                                                std::string_view page_token);
  absl::StatusOr<Page<PaymentMethodRow>> ListPaymentMethods(const auth::Caller& caller,
                                                            const billing::types::v1::EntitySelector& selector,
                                                            int32_t page_size, std::string_view page_token);

 private:
  absl::StatusOr<auth::ResolvedEntity> ResolveForReading(const auth::Caller& caller,
                                                         const billing::types::v1::EntitySelector& selector);

  Deps deps_;
};

}  // namespace billmesh::checkout
