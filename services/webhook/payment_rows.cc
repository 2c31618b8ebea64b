#include "services/webhook/payment_rows.h"

#include "services/webhook/row_digest.h"
#include "services/webhook/word_table.h"

namespace billmesh::webhook {

const PaymentStatusRow* FindPaymentWord(std::string_view word) { return FindWord(kPaymentStatuses, word); }
const ChargeStatusRow* FindChargeWord(std::string_view word) { return FindWord(kChargeStatuses, word); }
const RefundStatusRow* FindRefundWord(std::string_view word) { return FindWord(kRefundStatuses, word); }
const DisputeStatusRow* FindDisputeWord(std::string_view word) { return FindWord(kDisputeStatuses, word); }
const CreditNoteStatusRow* FindCreditNoteWord(std::string_view word) { return FindWord(kCreditNoteStatuses, word); }

std::string_view NameOf(PaymentStatus status) {
  // Failed is what a pending one becomes, not a word of the provider's.
  return status == PaymentStatus::kFailed ? "failed" : FindStatus(kPaymentStatuses, status).name;
}
std::string_view NameOf(ChargeStatus status) { return FindStatus(kChargeStatuses, status).name; }
std::string_view NameOf(RefundStatus status) { return FindStatus(kRefundStatuses, status).name; }
std::string_view NameOf(DisputeStatus status) { return FindStatus(kDisputeStatuses, status).name; }
std::string_view NameOf(CreditNoteStatus status) { return FindStatus(kCreditNoteStatuses, status).name; }

PaymentStatus PaymentStatusFromName(std::string_view stored) {
  return stored == "failed" ? PaymentStatus::kFailed : FindName(kPaymentStatuses, stored).status;
}
ChargeStatus ChargeStatusFromName(std::string_view stored) { return FindName(kChargeStatuses, stored).status; }
RefundStatus RefundStatusFromName(std::string_view stored) { return FindName(kRefundStatuses, stored).status; }
DisputeStatus DisputeStatusFromName(std::string_view stored) { return FindName(kDisputeStatuses, stored).status; }
CreditNoteStatus CreditNoteStatusFromName(std::string_view stored) {
  return FindName(kCreditNoteStatuses, stored).status;
}

Stage StageOf(PaymentStatus status) {
  return status == PaymentStatus::kFailed ? Stage::kLive : FindStatus(kPaymentStatuses, status).stage;
}
Stage StageOf(ChargeStatus status) { return FindStatus(kChargeStatuses, status).stage; }
Stage StageOf(RefundStatus status) { return FindStatus(kRefundStatuses, status).stage; }
Stage StageOf(CreditNoteStatus status) { return FindStatus(kCreditNoteStatuses, status).stage; }

std::string DigestOf(const PaymentRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_payment_id).Add(row.provider_customer_id).Add(row.provider_invoice_id);
  digest.Add(NameOf(row.status)).Add(row.currency).Add(row.amount_minor).Add(row.amount_refunded_minor);
  digest.Add(row.failure_code).Add(row.operation_key).Add(row.item_code).Add(row.item_quantity);
  digest.Add(row.provider_created_at).Add(row.succeeded_at).Add(row.canceled_at).Add(row.latest_charge_id);
  if (row.charge.has_value()) {
    digest.Add(row.charge->provider_charge_id).Add(NameOf(row.charge->status)).Add(row.charge->created_at);
  }
  return digest.Hex();
}

std::string DigestOf(const RefundRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_refund_id).Add(row.provider_payment_id).Add(NameOf(row.status));
  digest.Add(row.currency).Add(row.amount_minor).Add(row.failure_code).Add(row.provider_created_at);
  return digest.Hex();
}

std::string DigestOf(const DisputeRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_dispute_id).Add(row.provider_payment_id).Add(NameOf(row.status));
  digest.Add(row.currency).Add(row.amount_minor).Add(row.cause).Add(row.provider_created_at);
  return digest.Hex();
}

std::string DigestOf(const CreditNoteRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_credit_note_id).Add(row.provider_invoice_id).Add(row.number);
  digest.Add(NameOf(row.status)).Add(row.currency).Add(row.total_minor).Add(row.provider_created_at).Add(row.voided_at);
  return digest.Hex();
}

}  // namespace billmesh::webhook
