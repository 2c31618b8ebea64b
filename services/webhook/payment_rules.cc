#include "services/webhook/payment_rules.h"

#include <string_view>
#include <tuple>
#include <utility>

#include "common/provider/object_format.h"
#include "services/webhook/merge_row.h"

namespace billmesh::webhook {
namespace {

// What a payment and its charges say alike, and what never changes once it is known.
struct PaymentFacts {
  const std::string& payment_id;
  const std::optional<std::string>& invoice_id;
};

// Takes what is new; of two invoices the lower id, so that the order of arrival doesn't count.
void Learn(const PaymentFacts& facts, const ApplyContext& context, PaymentRow& row) {
  if (!row.provider_customer_id.has_value()) row.provider_customer_id = context.linked_customer_id;
  if (facts.invoice_id.has_value() && (!row.provider_invoice_id || *facts.invoice_id < *row.provider_invoice_id)) {
    row.provider_invoice_id = facts.invoice_id;
  }
  if (row.operation_key.has_value() || !context.operation_key.has_value()) return;
  row.operation_key = context.operation_key;
  if (context.operation == nullptr || !context.operation->item_code.has_value()) return;
  row.item_code = context.operation->item_code;
  row.item_quantity = context.operation->item_quantity;
}

// A payment's row with what it was before; none if the object makes it.
struct PaymentPlace {
  PaymentRow& row;
  std::optional<PaymentRow> before;
};

PaymentPlace PlaceOf(EntityState& state, const PaymentFacts& facts, const ApplyContext& context) {
  if (auto* tracked = FindRow(state.payments, &PaymentRow::provider_payment_id, facts.payment_id)) {
    return {tracked->row, tracked->row};
  }
  PaymentRow& row = state.payments.emplace_back().row;
  row.id = context.new_row_id;
  row.entity_id = state.entity_id;
  row.provider_payment_id = facts.payment_id;
  return {row, std::nullopt};
}

// Derived: the charge that succeeded says when.
void DeriveSucceeded(PaymentRow& row) {
  const bool known = row.status == PaymentStatus::kSucceeded && row.charge.has_value() &&
                     row.charge->status == ChargeStatus::kSucceeded;
  row.succeeded_at = known ? std::optional(row.charge->created_at) : std::nullopt;
}

Applied Finish(const PaymentPlace& place, bool wins, Applied applied) {
  DeriveSucceeded(place.row);
  if (!wins && place.before == place.row) {
    applied.result = kStale;
    return applied;
  }
  NoteResult(place.before, place.row, applied);
  return applied;
}

// A payment that waits for a method has failed where the provider says why its last try did.
PaymentStatus StatusOf(const provider::Payment& payment, const PaymentStatusRow& word) {
  const bool failed = word.status == PaymentStatus::kPending && payment.failure_code.has_value();
  return failed ? PaymentStatus::kFailed : word.status;
}

bool KeepsFailure(PaymentStatus status) {
  return status == PaymentStatus::kFailed || status == PaymentStatus::kCanceled;
}

void TakePayment(const provider::Payment& payment, PaymentStatus status, PaymentRow& row) {
  row.status = status;
  row.currency = payment.currency;
  row.amount_minor = payment.amount_minor;
  row.failure_code = KeepsFailure(status) ? payment.failure_code : std::nullopt;
  row.provider_created_at = payment.created_at;
  row.latest_charge_id = payment.latest_charge_id;
  row.canceled_at = status == PaymentStatus::kCanceled ? payment.canceled_at : std::nullopt;
}

void TakeCharge(const provider::Charge& charge, const ChargeStatusRow& word, const Version& version, PaymentRow& row) {
  row.charge = ChargePart{charge.id, word.status, charge.created_at, version};
  row.amount_refunded_minor = charge.amount_refunded_minor;
  if (row.IsKnownByItself()) return;
  row.status = word.payment_status;
  row.currency = charge.currency;
  row.amount_minor = charge.amount_minor;
  row.failure_code = KeepsFailure(row.status) ? charge.failure_code : std::nullopt;
  row.provider_created_at = charge.created_at;
}

struct Verdict {
  bool wins = true;
  bool tie = false;              // of two versions of one object
  bool between_charges = false;  // of two charges: the payment must be asked
};
Verdict Judge(const Precedence& incoming, const Precedence& stored, const PaymentRow& row, PaymentRow candidate) {
  TakeVersions(row, candidate);
  return {Wins(incoming, stored), IsTie(incoming, stored) && !(candidate == row)};
}

// Whether the payment has named its latest try after this second: of those made within it, it knew all.
bool KnowsTriesOf(absl::Time second, const PaymentRow& row) {
  return row.IsKnownByItself() && row.latest_charge_id.has_value() && *row.version.at > second;
}

// The later charge counts. Of one second's the one that succeeded, as no other try follows it; the one that the payment
// names; one that hasn't failed yet; else the id decides, until the payment has been asked.
std::tuple<absl::Time, bool, bool, bool, std::string_view> RankOf(const PaymentRow& row, absl::Time created_at,
                                                                  ChargeStatus status, std::string_view id) {
  const bool named = KnowsTriesOf(created_at, row) && row.latest_charge_id == id;
  return {created_at, status == ChargeStatus::kSucceeded, named, status != ChargeStatus::kFailed, id};
}

Verdict JudgeCharges(const PaymentRow& row, const provider::Charge& charge, ChargeStatus status,
                     const Version& version) {
  const ChargePart& kept = *row.charge;
  Verdict verdict;
  verdict.wins = RankOf(row, charge.created_at, status, charge.id) >
                 RankOf(row, kept.created_at, kept.status, kept.provider_charge_id);
  const bool one_succeeded = status == ChargeStatus::kSucceeded || kept.status == ChargeStatus::kSucceeded;
  // A charge may be dated earlier than what is told of it: what the payment said before may be behind that.
  const bool known =
      KnowsTriesOf(charge.created_at, row) && (row.latest_charge_id == charge.id || row.version.at >= version.at);
  verdict.between_charges = charge.created_at == kept.created_at && !one_succeeded && !known;
  return verdict;
}

// Of two charges the one of the higher rank counts; of one charge the version that wins.
Verdict JudgeCharge(const PaymentRow& row, const provider::Charge& charge, const ChargeStatusRow& word,
                    const Version& version) {
  if (!row.charge.has_value()) return {};
  if (row.charge->provider_charge_id != charge.id) return JudgeCharges(row, charge, word.status, version);
  PaymentRow candidate = row;
  TakeCharge(charge, word, version, candidate);
  return Judge({word.stage, version}, {StageOf(row.charge->status), row.charge->version}, row, std::move(candidate));
}

// Whether the payment names a charge that isn't the one that we keep: it was lost on the way, or we took it for older.
bool MissesLatestCharge(const PaymentRow& row) {
  if (!row.latest_charge_id.has_value()) return false;
  if (!row.charge.has_value()) return true;
  return row.charge->provider_charge_id != *row.latest_charge_id && row.charge->created_at <= *row.version.at;
}

}  // namespace

Applied ApplyPayment(EntityState& state, const provider::Payment& payment, const ApplyContext& context) {
  const PaymentStatusRow* word = FindPaymentWord(payment.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  const PaymentFacts facts{payment.id, payment.invoice_id};
  const PaymentPlace place = PlaceOf(state, facts, context);
  PaymentRow& row = place.row;
  const PaymentStatus status = StatusOf(payment, *word);
  Verdict verdict;
  if (row.IsKnownByItself()) {
    PaymentRow candidate = row;
    TakePayment(payment, status, candidate);
    verdict = Judge({StageOf(status), context.version}, {StageOf(row.status), row.version}, row, std::move(candidate));
  }
  Learn(facts, context, row);
  if (verdict.wins) {
    TakePayment(payment, status, row);
    row.version = context.version;
  }
  Applied applied;
  applied.tie = verdict.tie;
  // Where the payment itself came, the charge's own event may be on its way.
  if (IsFetched(context.version) && MissesLatestCharge(row)) {
    applied.fetch = ObjectToFetch{provider::kChargeKind, *row.latest_charge_id};
  }
  return Finish(place, verdict.wins, std::move(applied));
}

Applied ApplyCharge(EntityState& state, const provider::Charge& charge, const ApplyContext& context) {
  const ChargeStatusRow* word = FindChargeWord(charge.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  const PaymentFacts facts{charge.payment_id, charge.invoice_id};
  const PaymentPlace place = PlaceOf(state, facts, context);
  PaymentRow& row = place.row;
  const Verdict verdict = JudgeCharge(row, charge, *word, context.version);
  Learn(facts, context, row);
  if (verdict.wins) TakeCharge(charge, *word, context.version, row);
  Applied applied;
  applied.tie = verdict.tie;
  if (verdict.between_charges) applied.fetch = ObjectToFetch{provider::kPaymentKind, charge.payment_id};
  return Finish(place, verdict.wins, std::move(applied));
}

Applied ApplyInvoicePayment(EntityState& state, const provider::InvoicePayment& paid, const ApplyContext& context) {
  if (!paid.payment_id.has_value()) return Refuse(Disposition::kIgnored, kPaidOutOfBand);
  auto* tracked = FindRow(state.payments, &PaymentRow::provider_payment_id, *paid.payment_id);
  if (tracked == nullptr) return Refuse(Disposition::kParked, kPaymentNotStored);
  const PaymentRow before = tracked->row;
  Learn({*paid.payment_id, paid.invoice_id}, context, tracked->row);
  Applied applied;
  NoteResult<PaymentRow>(before, tracked->row, applied);
  return applied;
}

Applied ApplyRefund(EntityState& state, const provider::Refund& refund, const ApplyContext& context) {
  const RefundStatusRow* word = FindRefundWord(refund.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  if (FindRow(state.payments, &PaymentRow::provider_payment_id, refund.payment_id) == nullptr) {
    return Refuse(Disposition::kParked, kPaymentNotStored);
  }
  const auto begin = [&](RefundRow& row) {
    row.provider_payment_id = refund.payment_id;
    row.provider_created_at = refund.created_at;
  };
  const auto stored_stage = [](const RefundRow& row) { return StageOf(row.status); };
  return MergeRow(state.refunds, {&RefundRow::provider_refund_id, refund.id, state.entity_id}, word->stage,
                  stored_stage, context, begin, [&](RefundRow& row) {
                    row.status = word->status;
                    row.currency = refund.currency;
                    row.amount_minor = refund.amount_minor;
                    row.failure_code = refund.failure_code;
                  });
}

Applied ApplyDispute(EntityState& state, const provider::Dispute& dispute, const ApplyContext& context) {
  const DisputeStatusRow* word = FindDisputeWord(dispute.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  if (FindRow(state.payments, &PaymentRow::provider_payment_id, dispute.payment_id) == nullptr) {
    return Refuse(Disposition::kParked, kPaymentNotStored);
  }
  bool is_new = false;
  const auto begin = [&](DisputeRow& row) {
    row.provider_payment_id = dispute.payment_id;
    row.provider_created_at = dispute.created_at;
    is_new = true;
  };
  const auto stored_stage = [](const DisputeRow&) { return Stage::kLive; };
  Applied applied = MergeRow(state.disputes, {&DisputeRow::provider_dispute_id, dispute.id, state.entity_id},
                             Stage::kLive, stored_stage, context, begin, [&](DisputeRow& row) {
                               row.status = word->status;
                               row.currency = dispute.currency;
                               row.amount_minor = dispute.amount_minor;
                               row.cause = dispute.cause;
                             });
  applied.dispute_opened = is_new;
  return applied;
}

Applied ApplyCreditNote(EntityState& state, const provider::CreditNote& note, const ApplyContext& context) {
  const CreditNoteStatusRow* word = FindCreditNoteWord(note.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  if (FindRow(state.invoices, &InvoiceRow::provider_invoice_id, note.invoice_id) == nullptr) {
    return Refuse(Disposition::kParked, kInvoiceNotStored);
  }
  const auto begin = [&](CreditNoteRow& row) {
    row.provider_invoice_id = note.invoice_id;
    row.provider_created_at = note.created_at;
  };
  const auto stored_stage = [](const CreditNoteRow& row) { return StageOf(row.status); };
  return MergeRow(state.credit_notes, {&CreditNoteRow::provider_credit_note_id, note.id, state.entity_id}, word->stage,
                  stored_stage, context, begin, [&](CreditNoteRow& row) {
                    row.number = note.number;
                    row.status = word->status;
                    row.currency = note.currency;
                    row.total_minor = note.total_minor;
                    row.voided_at = note.voided_at;
                  });
}

}  // namespace billmesh::webhook
