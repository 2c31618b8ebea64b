// How payments, their charges, refunds, disputes, credit notes and what they pay change what we have of an entity.
// Pure, as projection_rules.h.
#pragma once

#include "common/provider/objects.h"
#include "services/webhook/applied.h"
#include "services/webhook/rows.h"

namespace billmesh::webhook {

// A payment and its charges share a row: each has its own version, the latest charge counts (by its time; within a
// second the one that succeeded, or that the payment names), and what the payment says wins over what a charge says.
Applied ApplyPayment(EntityState& state, const provider::Payment& payment, const ApplyContext& context);
Applied ApplyCharge(EntityState& state, const provider::Charge& charge, const ApplyContext& context);
// Which invoice a payment pays. Said once, it stays.
Applied ApplyInvoicePayment(EntityState& state, const provider::InvoicePayment& paid, const ApplyContext& context);
// Parked until what they belong to is here.
Applied ApplyRefund(EntityState& state, const provider::Refund& refund, const ApplyContext& context);
Applied ApplyDispute(EntityState& state, const provider::Dispute& dispute, const ApplyContext& context);
Applied ApplyCreditNote(EntityState& state, const provider::CreditNote& note, const ApplyContext& context);

}  // namespace billmesh::webhook
