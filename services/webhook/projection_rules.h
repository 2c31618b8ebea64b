// How an object of the provider's changes what we have of an entity. Pure: works on the rows that are loaded under the
// entity's lock. The same rules for events as they arrive, for stored events taken up later, and for snapshots that are
// fetched.
#pragma once

#include <vector>

#include "common/provider/objects.h"
#include "services/webhook/applied.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

Applied ApplyCheckoutSession(EntityState& state, const provider::CheckoutSession& session, const ApplyContext& context);
Applied ApplySubscription(EntityState& state, const provider::Subscription& subscription, const ApplyContext& context);
Applied ApplyInvoice(EntityState& state, const provider::Invoice& invoice, const ApplyContext& context);

// dup_canonical_v1 (WHK-8): of the live subscriptions the one that the provider made first, incomplete ones last, then
// the lowest id. Derives is_current from it and notes each other one as a duplicate. True when the time of making
// didn't decide.
inline constexpr char kCanonicalAlgorithm[] = "dup_canonical_v1";
bool DeriveCurrent(EntityState& state);

// WHK-7: a session that is complete and whose subscription is projected has nothing left to wait for.
void ReconcileSessions(EntityState& state, std::vector<SessionChange>& changes);

}  // namespace billmesh::webhook
