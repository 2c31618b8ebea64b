#include "services/webhook/payment_store.h"

#include "common/status/status.h"
#include "services/webhook/column.h"
#include "services/webhook/tracked_rows.h"

namespace billmesh::webhook {
namespace {

using db::Param;
using Ids = std::vector<std::string>;
using States = std::map<std::string, EntityState>;

void QueuePaymentRows(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched,
                      States& states) {
  if (touched.empty()) return;
  tx.Queue(
      R"sql(
    SELECT p.id, p.entity_id, p.provider_payment_id, p.provider_customer_id, p.provider_invoice_id, p.status, p.currency,
           p.amount_minor, p.amount_refunded_minor, p.failure_code, p.operation_key, p.item_code, p.item_quantity,
           p.provider_created_at, p.succeeded_at, p.canceled_at, p.provider_updated_at, p.provider_event_id,
           p.provider_charge_id, p.charge_status, p.charge_created_at, p.charge_updated_at, p.charge_event_id,
           p.provider_latest_charge_id
    FROM billing.payments p
    WHERE p.entity_id = ANY ($2::uuid[]) AND p.provider = $1 AND p.provider_payment_id = ANY ($3::text[])
    ORDER BY p.id
  )sql",
      {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
        for (int i = 0; i < rows.size(); ++i) {
          const db::Row r = rows[i];
          PaymentRow row;
          row.id = r.Text(0);
          row.entity_id = r.Text(1);
          row.provider_payment_id = r.Text(2);
          row.provider_customer_id = r.OptText(3);
          row.provider_invoice_id = r.OptText(4);
          row.status = PaymentStatusFromName(r.View(5));
          row.currency = r.Text(6);
          row.amount_minor = r.Int(7);
          row.amount_refunded_minor = r.Int(8);
          row.failure_code = r.OptText(9);
          row.operation_key = r.OptText(10);
          row.item_code = r.OptText(11);
          row.item_quantity = r.OptInt(12);
          row.provider_created_at = r.Time(13);
          row.succeeded_at = r.OptTime(14);
          row.canceled_at = r.OptTime(15);
          row.version = {r.OptTime(16), r.OptText(17).value_or("")};
          if (!r.IsNull(18)) {
            row.charge = ChargePart{r.Text(18), ChargeStatusFromName(r.View(19)), r.Time(20), {r.Time(21), r.Text(22)}};
          }
          row.latest_charge_id = r.OptText(23);
          Keep(std::move(row), &EntityState::payments, states);
        }
        return absl::OkStatus();
      });
}

void QueueRefunds(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched, States& states) {
  if (touched.empty()) return;
  tx.Queue(R"sql(
    SELECT r.id, r.entity_id, r.provider_refund_id, r.provider_payment_id, r.status, r.currency, r.amount_minor,
           r.failure_code, r.provider_created_at, r.provider_updated_at, r.provider_event_id
    FROM billing.refunds r
    WHERE r.entity_id = ANY ($2::uuid[]) AND r.provider = $1 AND r.provider_refund_id = ANY ($3::text[])
    ORDER BY r.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) {
               const db::Row r = rows[i];
               Keep(RefundRow{r.Text(0),
                              r.Text(1),
                              r.Text(2),
                              r.Text(3),
                              RefundStatusFromName(r.View(4)),
                              r.Text(5),
                              r.Int(6),
                              r.OptText(7),
                              r.Time(8),
                              {r.Time(9), r.Text(10)}},
                    &EntityState::refunds, states);
             }
             return absl::OkStatus();
           });
}

void QueueDisputes(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched, States& states) {
  if (touched.empty()) return;
  tx.Queue(R"sql(
    SELECT d.id, d.entity_id, d.provider_dispute_id, d.provider_payment_id, d.status, d.currency, d.amount_minor, d.cause,
           d.provider_created_at, d.provider_updated_at, d.provider_event_id
    FROM billing.disputes d
    WHERE d.entity_id = ANY ($2::uuid[]) AND d.provider = $1 AND d.provider_dispute_id = ANY ($3::text[])
    ORDER BY d.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) {
               const db::Row r = rows[i];
               Keep(DisputeRow{r.Text(0),
                               r.Text(1),
                               r.Text(2),
                               r.Text(3),
                               DisputeStatusFromName(r.View(4)),
                               r.Text(5),
                               r.Int(6),
                               r.OptText(7),
                               r.Time(8),
                               {r.Time(9), r.Text(10)}},
                    &EntityState::disputes, states);
             }
             return absl::OkStatus();
           });
}

void QueueCreditNotes(db::Tx& tx, std::string_view provider, const Ids& entity_ids, const Ids& touched,
                      States& states) {
  if (touched.empty()) return;
  tx.Queue(R"sql(
    SELECT n.id, n.entity_id, n.provider_credit_note_id, n.provider_invoice_id, n.number, n.status, n.currency,
           n.total_minor, n.provider_created_at, n.voided_at, n.provider_updated_at, n.provider_event_id
    FROM billing.credit_notes n
    WHERE n.entity_id = ANY ($2::uuid[]) AND n.provider = $1 AND n.provider_credit_note_id = ANY ($3::text[])
    ORDER BY n.id
  )sql",
           {provider, Param::UuidArray(entity_ids), Param::TextArray(touched)}, [&states](const db::Result& rows) {
             for (int i = 0; i < rows.size(); ++i) {
               const db::Row r = rows[i];
               Keep(CreditNoteRow{r.Text(0),
                                  r.Text(1),
                                  r.Text(2),
                                  r.Text(3),
                                  r.OptText(4),
                                  CreditNoteStatusFromName(r.View(5)),
                                  r.Text(6),
                                  r.Int(7),
                                  r.Time(8),
                                  r.OptTime(9),
                                  {r.Time(10), r.Text(11)}},
                    &EntityState::credit_notes, states);
             }
             return absl::OkStatus();
           });
}

// A column of the charge that is kept; null where no charge is known.
template <typename Member>
auto OfCharge(Member member) {
  return [member](const PaymentRow& row) {
    using Value = std::decay_t<std::invoke_result_t<Member, const ChargePart&>>;
    return row.charge.has_value() ? std::optional<Value>(std::invoke(member, *row.charge)) : std::nullopt;
  };
}

absl::Status UpsertPayments(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  const auto rows = WrittenRows(states, &EntityState::payments);
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(rows, &PaymentRow::provider_payment_id, "payments_provider_payment_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.payments AS p (
      id, env, entity_id, provider, provider_payment_id, provider_customer_id, provider_invoice_id, status, currency,
      amount_minor, amount_refunded_minor, failure_code, operation_key, item_code, item_quantity, provider_created_at,
      succeeded_at, canceled_at, provider_updated_at, provider_event_id, provider_charge_id, charge_status,
      charge_created_at, charge_updated_at, charge_event_id, provider_latest_charge_id)
    SELECT v.id, $1, v.entity_id, $2, v.payment, v.customer, v.invoice, v.status, v.currency, v.amount, v.refunded,
           v.failure, v.operation_key, v.item, v.quantity, v.created, v.succeeded, v.canceled, v.updated, v.event, v.charge,
           v.charge_status, v.charge_created, v.charge_updated, v.charge_event, v.latest_charge
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                $11::bigint[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::timestamptz[],
                $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[], $22::text[],
                $23::timestamptz[], $24::timestamptz[], $25::text[], $26::text[])
      AS v (id, entity_id, payment, customer, invoice, status, currency, amount, refunded, failure, operation_key, item,
            quantity, created, succeeded, canceled, updated, event, charge, charge_status, charge_created, charge_updated,
            charge_event, latest_charge)
    ON CONFLICT (provider, provider_payment_id) DO UPDATE
    SET provider_customer_id = EXCLUDED.provider_customer_id, provider_invoice_id = EXCLUDED.provider_invoice_id,
        status = EXCLUDED.status, currency = EXCLUDED.currency, amount_minor = EXCLUDED.amount_minor,
        amount_refunded_minor = EXCLUDED.amount_refunded_minor, failure_code = EXCLUDED.failure_code,
        operation_key = EXCLUDED.operation_key, item_code = EXCLUDED.item_code, item_quantity = EXCLUDED.item_quantity,
        provider_created_at = EXCLUDED.provider_created_at, succeeded_at = EXCLUDED.succeeded_at,
        canceled_at = EXCLUDED.canceled_at, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, provider_charge_id = EXCLUDED.provider_charge_id,
        charge_status = EXCLUDED.charge_status, charge_created_at = EXCLUDED.charge_created_at,
        charge_updated_at = EXCLUDED.charge_updated_at, charge_event_id = EXCLUDED.charge_event_id,
        provider_latest_charge_id = EXCLUDED.provider_latest_charge_id, updated_at = billing.now()
    WHERE CASE WHEN p.id = EXCLUDED.id AND p.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('payments_provider_payment_key') END
  )sql",
           {env,
            provider,
            UuidColumn(rows, &PaymentRow::id),
            UuidColumn(rows, &PaymentRow::entity_id),
            Column(rows, &PaymentRow::provider_payment_id),
            Column(rows, &PaymentRow::provider_customer_id),
            Column(rows, &PaymentRow::provider_invoice_id),
            Column(rows, [](const PaymentRow& r) { return NameOf(r.status); }),
            Column(rows, &PaymentRow::currency),
            Column(rows, &PaymentRow::amount_minor),
            Column(rows, &PaymentRow::amount_refunded_minor),
            Column(rows, &PaymentRow::failure_code),
            Column(rows, &PaymentRow::operation_key),
            Column(rows, &PaymentRow::item_code),
            Column(rows, &PaymentRow::item_quantity),
            Column(rows, &PaymentRow::provider_created_at),
            Column(rows, &PaymentRow::succeeded_at),
            Column(rows, &PaymentRow::canceled_at),
            Column(rows, VersionTime<PaymentRow>),
            Column(rows,
                   [](const PaymentRow& r) {
                     return r.IsKnownByItself() ? std::optional(r.version.event_id) : std::nullopt;
                   }),
            Column(rows, OfCharge(&ChargePart::provider_charge_id)),
            Column(rows, OfCharge([](const ChargePart& c) { return std::string(NameOf(c.status)); })),
            Column(rows, OfCharge(&ChargePart::created_at)),
            Column(rows, OfCharge([](const ChargePart& c) { return *c.version.at; })),
            Column(rows, OfCharge([](const ChargePart& c) { return c.version.event_id; })),
            Column(rows, &PaymentRow::latest_charge_id)});
  return absl::OkStatus();
}

absl::Status UpsertRefunds(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  const auto rows = WrittenRows(states, &EntityState::refunds);
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(rows, &RefundRow::provider_refund_id, "refunds_provider_refund_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.refunds AS r (id, env, entity_id, provider, provider_refund_id, provider_payment_id, status, currency,
                                      amount_minor, failure_code, provider_created_at, provider_updated_at,
                                      provider_event_id)
    SELECT v.id, $1, v.entity_id, $2, v.refund, v.payment, v.status, v.currency, v.amount, v.failure, v.created, v.updated,
           v.event
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[],
                $11::timestamptz[], $12::timestamptz[], $13::text[])
      AS v (id, entity_id, refund, payment, status, currency, amount, failure, created, updated, event)
    ON CONFLICT (provider, provider_refund_id) DO UPDATE
    SET status = EXCLUDED.status, currency = EXCLUDED.currency, amount_minor = EXCLUDED.amount_minor,
        failure_code = EXCLUDED.failure_code, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, updated_at = billing.now()
    WHERE CASE WHEN r.id = EXCLUDED.id AND r.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('refunds_provider_refund_key') END
  )sql",
           {env, provider, UuidColumn(rows, &RefundRow::id), UuidColumn(rows, &RefundRow::entity_id),
            Column(rows, &RefundRow::provider_refund_id), Column(rows, &RefundRow::provider_payment_id),
            Column(rows, [](const RefundRow& r) { return NameOf(r.status); }), Column(rows, &RefundRow::currency),
            Column(rows, &RefundRow::amount_minor), Column(rows, &RefundRow::failure_code),
            Column(rows, &RefundRow::provider_created_at), Column(rows, VersionTime<RefundRow>),
            Column(rows, VersionEvent<RefundRow>)});
  return absl::OkStatus();
}

absl::Status UpsertDisputes(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  const auto rows = WrittenRows(states, &EntityState::disputes);
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckDistinct(rows, &DisputeRow::provider_dispute_id, "disputes_provider_dispute_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.disputes AS d (id, env, entity_id, provider, provider_dispute_id, provider_payment_id, status,
                                       currency, amount_minor, cause, provider_created_at, provider_updated_at,
                                       provider_event_id)
    SELECT v.id, $1, v.entity_id, $2, v.dispute, v.payment, v.status, v.currency, v.amount, v.cause, v.created, v.updated,
           v.event
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[],
                $11::timestamptz[], $12::timestamptz[], $13::text[])
      AS v (id, entity_id, dispute, payment, status, currency, amount, cause, created, updated, event)
    ON CONFLICT (provider, provider_dispute_id) DO UPDATE
    SET status = EXCLUDED.status, currency = EXCLUDED.currency, amount_minor = EXCLUDED.amount_minor,
        cause = EXCLUDED.cause, provider_updated_at = EXCLUDED.provider_updated_at,
        provider_event_id = EXCLUDED.provider_event_id, updated_at = billing.now()
    WHERE CASE WHEN d.id = EXCLUDED.id AND d.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('disputes_provider_dispute_key') END
  )sql",
           {env, provider, UuidColumn(rows, &DisputeRow::id), UuidColumn(rows, &DisputeRow::entity_id),
            Column(rows, &DisputeRow::provider_dispute_id), Column(rows, &DisputeRow::provider_payment_id),
            Column(rows, [](const DisputeRow& r) { return NameOf(r.status); }), Column(rows, &DisputeRow::currency),
            Column(rows, &DisputeRow::amount_minor), Column(rows, &DisputeRow::cause),
            Column(rows, &DisputeRow::provider_created_at), Column(rows, VersionTime<DisputeRow>),
            Column(rows, VersionEvent<DisputeRow>)});
  return absl::OkStatus();
}

absl::Status UpsertCreditNotes(db::Tx& tx, std::string_view env, std::string_view provider, const States& states) {
  const auto rows = WrittenRows(states, &EntityState::credit_notes);
  if (rows.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(
      CheckDistinct(rows, &CreditNoteRow::provider_credit_note_id, "credit_notes_provider_credit_note_key"));
  tx.Queue(R"sql(
    INSERT INTO billing.credit_notes AS n (id, env, entity_id, provider, provider_credit_note_id, provider_invoice_id, number,
                                           status, currency, total_minor, provider_created_at, voided_at,
                                           provider_updated_at, provider_event_id)
    SELECT v.id, $1, v.entity_id, $2, v.note, v.invoice, v.number, v.status, v.currency, v.total, v.created, v.voided,
           v.updated, v.event
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::text[])
      AS v (id, entity_id, note, invoice, number, status, currency, total, created, voided, updated, event)
    ON CONFLICT (provider, provider_credit_note_id) DO UPDATE
    SET number = EXCLUDED.number, status = EXCLUDED.status, currency = EXCLUDED.currency,
        total_minor = EXCLUDED.total_minor, voided_at = EXCLUDED.voided_at,
        provider_updated_at = EXCLUDED.provider_updated_at, provider_event_id = EXCLUDED.provider_event_id,
        updated_at = billing.now()
    WHERE CASE WHEN n.id = EXCLUDED.id AND n.entity_id = EXCLUDED.entity_id THEN true
               ELSE billing.refuse_key('credit_notes_provider_credit_note_key') END
  )sql",
           {env, provider, UuidColumn(rows, &CreditNoteRow::id), UuidColumn(rows, &CreditNoteRow::entity_id),
            Column(rows, &CreditNoteRow::provider_credit_note_id), Column(rows, &CreditNoteRow::provider_invoice_id),
            Column(rows, &CreditNoteRow::number), Column(rows, [](const CreditNoteRow& r) { return NameOf(r.status); }),
            Column(rows, &CreditNoteRow::currency), Column(rows, &CreditNoteRow::total_minor),
            Column(rows, &CreditNoteRow::provider_created_at), Column(rows, &CreditNoteRow::voided_at),
            Column(rows, VersionTime<CreditNoteRow>), Column(rows, VersionEvent<CreditNoteRow>)});
  return absl::OkStatus();
}

}  // namespace

void QueuePayments(db::Tx& tx, std::string_view provider, const std::vector<std::string>& entity_ids,
                   const EvidenceQuery& touched, std::map<std::string, EntityState>& states) {
  QueuePaymentRows(tx, provider, entity_ids, touched.payments, states);
  QueueRefunds(tx, provider, entity_ids, touched.refunds, states);
  QueueDisputes(tx, provider, entity_ids, touched.disputes, states);
  QueueCreditNotes(tx, provider, entity_ids, touched.credit_notes, states);
}

absl::Status WritePayments(db::Tx& tx, std::string_view env, std::string_view provider,
                           const std::map<std::string, EntityState>& states) {
  RETURN_IF_ERROR(UpsertPayments(tx, env, provider, states));
  RETURN_IF_ERROR(UpsertRefunds(tx, env, provider, states));
  RETURN_IF_ERROR(UpsertDisputes(tx, env, provider, states));
  return UpsertCreditNotes(tx, env, provider, states);
}

}  // namespace billmesh::webhook
