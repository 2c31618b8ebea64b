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
provider::Customer CustomerFrom(const Fields& fields);
provider::PaymentMethod PaymentMethodFrom(const Fields& fields);
provider::Payment PaymentFrom(const Fields& fields);
provider::Charge ChargeFrom(const Fields& fields);
provider::Refund RefundFrom(const Fields& fields);
provider::Dispute DisputeFrom(const Fields& fields);
provider::CreditNote CreditNoteFrom(const Fields& fields);
provider::InvoicePayment InvoicePaymentFrom(const Fields& fields);

// The kinds that we read, by Stripe's word (an object's `object`) and by ours (object_format.h).
struct KindReader {
  std::string_view stripe_word;
  std::string_view kind;
  provider::Object (*read)(const Fields&);
};
// Null for a kind that we don't read.
const KindReader* ReaderOfWord(std::string_view stripe_word);
const KindReader* ReaderOfKind(std::string_view kind);

// What several kinds have in common. Fills what isn't known yet, so that an object's own metadata win over those that it
// was made from.
void ReadCorrelation(const Fields& owner, provider::Correlation& correlation);
std::string ReadCurrency(const Fields& fields);

}  // namespace billmesh::stripe
