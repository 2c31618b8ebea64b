#include "services/checkout/account_service.h"

#include <utility>

#include "common/audit/audit_store.h"
#include "common/audit/digest.h"
#include "common/auth/method_policy.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::checkout {
namespace {

// A membership as it stands; none where there is none.
std::optional<std::string> MembershipDigest(const std::string& entity_id, const std::string& subject,
                                            const std::string& role) {
  if (role.empty()) return std::nullopt;
  return audit::Digest({{"entity_id", entity_id}, {"subject", subject}, {"role", role}});
}

audit::Record MembershipChanged(const std::string& env, const std::string& entity_id, const auth::Caller& caller,
                                const std::string& subject, const std::string& from, const std::string& to) {
  audit::Record record;
  record.env = env;
  record.entity_id = entity_id;
  record.actor = caller.AuditActor();
  record.action = audit::kMembershipChanged;
  record.detail_json = nlohmann::json{{"subject", subject}, {"from", from}, {"to", to}}.dump();
  record.before_digest = MembershipDigest(entity_id, subject, from);
  record.after_digest = MembershipDigest(entity_id, subject, to);
  return record;
}

absl::Status WriteNewEntity(db::Tx& tx, IdGenerator& ids, const std::string& env, const std::string& entity_id,
                            const auth::Caller& caller, const NewEntity& entity) {
  RETURN_IF_ERROR(AppendChange(tx, entity_id, 1));
  audit::Record created;
  created.env = env;
  created.entity_id = entity_id;
  created.actor = caller.AuditActor();
  created.action = audit::kEntityCreated;
  created.detail_json = nlohmann::json{{"kind", entity.kind}, {"ref", entity.ref}, {"slug", entity.slug}}.dump();
  created.after_digest = audit::Digest({{"id", entity_id},
                                        {"env", env},
                                        {"kind", entity.kind},
                                        {"ref", entity.ref},
                                        {"slug", entity.slug},
                                        {"display_name", entity.display_name}});
  std::vector<audit::Record> records = {std::move(created)};
  if (!entity.owner_subject.empty()) {
    RETURN_IF_ERROR(PutMember(tx, entity_id, entity.owner_subject, "owner"));
    records.push_back(MembershipChanged(env, entity_id, caller, entity.owner_subject, "", "owner"));
  }
  return audit::Append(tx, ids, records);
}

// Statements of a transaction each see what is committed when they begin. The revision tells whether something came
// between them, and then they are run again: by the pool, as for any serialization failure.
absl::StatusOr<AccountSnapshot> ReadSnapshot(db::Tx& tx, const auth::ResolvedEntity& entity) {
  const std::string& id = entity.entity_id;
  AccountSnapshot snapshot{.entity = entity};
  ASSIGN_OR_RETURN(snapshot.entity.revision, ReadRevision(tx, id));
  ASSIGN_OR_RETURN(snapshot.customer, ReadLiveCustomer(tx, id));
  ASSIGN_OR_RETURN(snapshot.subscription, ReadCurrentSubscription(tx, id));
  ASSIGN_OR_RETURN(snapshot.invoices, ReadInvoices(tx, id, std::nullopt, kSnapshotInvoices));
  ASSIGN_OR_RETURN(snapshot.payments, ReadNewestPayments(tx, id, kSnapshotPayments));
  ASSIGN_OR_RETURN(snapshot.payment_methods, ReadPaymentMethodsDefaultFirst(tx, id, kSnapshotPaymentMethods));
  ASSIGN_OR_RETURN(const int64_t revision, ReadRevision(tx, id));
  if (revision != snapshot.entity.revision) {
    return Fail(Reason::FAILURE_REASON_TRANSACTION_CONFLICT, "the entity changed while its snapshot was read",
                {{"sqlstate", "40001"}});
  }
  return snapshot;
}

template <typename Row, typename Read>
absl::StatusOr<Page<Row>> ReadPage(db::Pool& pool, const PagedList& list, int32_t page_size,
                                   std::string_view page_token, const Read& read) {
  ASSIGN_OR_RETURN(const PageRequest request, ReadPageRequest(list, page_size, page_token));
  ASSIGN_OR_RETURN(std::vector<Row> rows,
                   db::RunInTransaction(pool, db::Scope::Tenant(list.entity_id), [&](db::Tx& tx) {
                     return read(tx, list.entity_id, request.after, request.size + 1);
                   }));
  return CutPage(list, request, std::move(rows));
}

}  // namespace

absl::StatusOr<EnsuredEntity> AccountService::EnsureEntity(const auth::Caller& caller, const NewEntity& entity) {
  const std::string id = deps_.ids.NewId();
  return db::RunInTransaction(
      deps_.pool, db::Scope::System("ensure_entity"), [&](db::Tx& tx) -> absl::StatusOr<EnsuredEntity> {
        ASSIGN_OR_RETURN(const bool created, InsertEntity(tx, deps_.env, id, entity));
        if (created) RETURN_IF_ERROR(WriteNewEntity(tx, deps_.ids, deps_.env, id, caller, entity));
        ASSIGN_OR_RETURN(auto found, FindEntity(tx, deps_.env, entity.kind, entity.ref));
        if (!found.has_value()) {
          return Fail(Reason::FAILURE_REASON_ALREADY_EXISTS, "another workspace has this slug", {{"what", "slug"}});
        }
        return EnsuredEntity{*std::move(found), created};
      });
}

absl::StatusOr<bool> AccountService::SetMember(const auth::Caller& caller,
                                               const billing::types::v1::EntitySelector& selector,
                                               const std::string& subject, const std::string& role) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("set_member"), [&](db::Tx& tx) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const auth::ResolvedEntity entity,
                     auth::ResolveEntity(tx, deps_.env, caller, selector, auth::kBillingManage));
    if (!TakesMembers(entity.kind)) {
      return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, "entities of this kind have no members",
                  {{"field", "entity"}});
    }
    RETURN_IF_ERROR(LockEntity(tx, entity.entity_id));
    ASSIGN_OR_RETURN(const MembershipNow now, ReadMembership(tx, entity.entity_id, subject));
    switch (JudgeMembership(now, role)) {
      case MembershipVerdict::kUnchanged:
        return false;
      case MembershipVerdict::kLastOwner:
        return Fail(Reason::FAILURE_REASON_CONSTRAINT_VIOLATION, "an entity keeps its last owner",
                    {{"constraint", "last_owner"}});
      case MembershipVerdict::kApply:
        break;
    }
    if (role.empty()) {
      RETURN_IF_ERROR(RemoveMember(tx, entity.entity_id, subject));
    } else {
      RETURN_IF_ERROR(PutMember(tx, entity.entity_id, subject, role));
    }
    RETURN_IF_ERROR(audit::Append(
        tx, deps_.ids, {MembershipChanged(deps_.env, entity.entity_id, caller, subject, now.role.value_or(""), role)}));
    return true;
  });
}

absl::StatusOr<std::vector<auth::ResolvedEntity>> AccountService::ListEntities(const auth::UserIdentity& user) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("list_entities"),
                              [&](db::Tx& tx) { return auth::ReachableEntities(tx, deps_.env, user.subject); });
}

absl::StatusOr<auth::ResolvedEntity> AccountService::ResolveForReading(
    const auth::Caller& caller, const billing::types::v1::EntitySelector& selector) {
  return db::RunInTransaction(deps_.pool, db::Scope::System("resolve_entity"), [&](db::Tx& tx) {
    return auth::ResolveEntity(tx, deps_.env, caller, selector, auth::kBillingRead);
  });
}

absl::StatusOr<std::optional<SubscriptionRow>> AccountService::GetSubscription(
    const auth::Caller& caller, const billing::types::v1::EntitySelector& selector) {
  ASSIGN_OR_RETURN(const auth::ResolvedEntity entity, ResolveForReading(caller, selector));
  return db::RunInTransaction(deps_.pool, db::Scope::Tenant(entity.entity_id),
                              [&](db::Tx& tx) { return ReadCurrentSubscription(tx, entity.entity_id); });
}

absl::StatusOr<AccountSnapshot> AccountService::GetSnapshot(const auth::Caller& caller,
                                                            const billing::types::v1::EntitySelector& selector) {
  ASSIGN_OR_RETURN(const auth::ResolvedEntity entity, ResolveForReading(caller, selector));
  return db::RunInTransaction(deps_.pool, db::Scope::Tenant(entity.entity_id),
                              [&](db::Tx& tx) { return ReadSnapshot(tx, entity); });
}

absl::StatusOr<Page<InvoiceRow>> AccountService::ListInvoices(const auth::Caller& caller,
                                                              const billing::types::v1::EntitySelector& selector,
                                                              int32_t page_size, std::string_view page_token) {
  ASSIGN_OR_RETURN(const auth::ResolvedEntity entity, ResolveForReading(caller, selector));
  return ReadPage<InvoiceRow>(deps_.pool, {"invoices", entity.entity_id}, page_size, page_token, ReadInvoices);
}

absl::StatusOr<Page<PaymentMethodRow>> AccountService::ListPaymentMethods(
    const auth::Caller& caller, const billing::types::v1::EntitySelector& selector, int32_t page_size,
    std::string_view page_token) {
  ASSIGN_OR_RETURN(const auth::ResolvedEntity entity, ResolveForReading(caller, selector));
  return ReadPage<PaymentMethodRow>(deps_.pool, {"payment_methods", entity.entity_id}, page_size, page_token,
                                    ReadPaymentMethods);
}

}  // namespace billmesh::checkout
