// The object readers over an already parsed document, so that an event and its object are parsed once. Internal to
// common/stripe.
#pragma once

#include "common/provider/objects.h"
#include "common/stripe/dom_fields.h"

namespace billmesh::stripe {

// Each leaves its first complaint in fields.error().
provider::CheckoutSession CheckoutSessionFrom(const Fields& fields);
provider::Subscription SubscriptionFrom(const Fields& fields);
provider::Invoice InvoiceFrom(const Fields& fields);

}  // namespace billmesh::stripe
