// How customers and payment methods change what we have of an entity (PRT-5, WHK-12). Pure, as projection_rules.h.
#pragma once

#include "common/provider/objects.h"
#include "services/webhook/applied.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// A customer that is deleted stays so; its link to the entity ends with it.
Applied ApplyCustomer(EntityState& state, const provider::Customer& customer, const ApplyContext& context);
// One that is attached to nobody any more is detached. `context.linked_customer_id` is whom it belonged to.
Applied ApplyPaymentMethod(EntityState& state, const provider::PaymentMethod& method, const ApplyContext& context);

}  // namespace billmesh::webhook
