// Refunds: made at once, or pending first; and one that fails later.

#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

int64_t LeftToRefund(const Object& charge) {
  return Int(charge.json, "amount_captured") - Int(charge.json, "amount_refunded");
}

// The charge that a request means.
Object& ChargeToRefund(World& w, const Json& params) {
  std::string charge_id = Str(params, "charge");
  if (const std::string intent = Str(params, "payment_intent"); !intent.empty()) {
    charge_id = Str(Require(w, "payment_intent", intent, "payment_intent").json, "latest_charge");
    if (charge_id.empty()) {
      throw Refused("This PaymentIntent (" + intent + ") does not have a successful charge to refund.",
                    "payment_intent");
    }
  }
  if (charge_id.empty()) {
    throw Invalid("parameter_missing", "charge",
                  "One of the following params should be provided for this request: payment_intent or charge.");
  }
  return Require(w, "charge", charge_id, "charge");
}

void RefuseMoreThanIsLeft(const Object& charge, int64_t amount) {
  const int64_t left = LeftToRefund(charge);
  if (left == 0) {
    throw Refused("Charge " + charge.id + " has already been refunded.", "", "charge_already_refunded");
  }
  if (amount < 1) {
    throw Invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.");
  }
  if (amount > left) {
    throw Refused("Refund amount (" + std::to_string(amount) + ") is greater than unrefunded amount on charge (" +
                      std::to_string(left) + ")",
                  "amount");
  }
}

void SetRefunded(Object& charge, int64_t amount) {
  charge.json["amount_refunded"] = amount;
  charge.json["refunded"] = amount == Int(charge.json, "amount_captured");
}

}  // namespace

Object& MakeRefund(World& w, Object& charge, int64_t amount, const Json& params) {
  RefuseMoreThanIsLeft(charge, amount);
  Json refund = NewObject(w, "refund");
  refund["amount"] = amount;
  refund["balance_transaction"] = w.ids.Make("txn_3", 23);
  refund["charge"] = charge.id;
  refund["created"] = w.Now();
  refund["currency"] = Str(charge.json, "currency");
  refund["customer"] = At(charge.json, "customer");
  refund["customer_account"] = nullptr;
  refund["destination_details"] = Json{
      {"card", {{"reference_status", "pending"}, {"reference_type", "acquirer_reference_number"}, {"type", "refund"}}},
      {"type", "card"}};
  refund["metadata"] = Json::object();
  ApplyMetadata(refund, params);
  refund["payment_intent"] = At(charge.json, "payment_intent");
  refund["payment_method"] = At(charge.json, "payment_method");
  refund["reason"] = Or(params, "reason", nullptr);
  refund["receipt_number"] = nullptr;
  refund["source_transfer_reversal"] = nullptr;
  refund["status"] = w.BehaviorOf(Str(charge.json, "customer")).refund_status;
  refund["transfer_reversal"] = nullptr;
  Object& object = w.store.Insert(std::move(refund));
  Change change(w, charge);
  SetRefunded(charge, Int(charge.json, "amount_refunded") + amount);
  w.ledger.Count("refunds");
  w.Effect("refunded", object);
  w.Emit("refund.created", object);
  change.Emit("charge.refunded");
  return object;
}

void SettleRefund(World& w, Object& refund, const std::string& status, const std::string& failure_reason) {
  const std::string before = Str(refund.json, "status");
  if (before == "failed" || before == "canceled") throw Refused("This refund is already " + before + ".");
  const bool failed = status == "failed";
  if (!failed && (status != "succeeded" || before != "pending")) {
    throw Refused("A refund that is " + before + " can't become " + status + ".", "status");
  }
  Change change(w, refund);
  refund.json["status"] = status;
  if (failed) {
    refund.json["failure_balance_transaction"] = w.ids.Make("txn_3", 23);
    refund.json["failure_reason"] = failure_reason;
    Object& charge = Require(w, "charge", Str(refund.json, "charge"), "charge");
    Change of_charge(w, charge);
    SetRefunded(charge, Int(charge.json, "amount_refunded") - Int(refund.json, "amount"));
    of_charge.Emit("charge.updated");
    w.ledger.Count("failed_refunds");
  }
  w.Effect(failed ? "refund_failed" : "updated", refund);
  // Stripe tells a change of a refund under two names, and a failure under a third.
  w.Emit("charge.refund.updated", refund, {{"status", before}});
  change.Emit("refund.updated");
  if (failed) w.Emit("refund.failed", refund);
}

Json CreateRefund(Call& call) {
  Object& charge = ChargeToRefund(call.w, call.p);
  return MakeRefund(call.w, charge, Int(call.p, "amount", LeftToRefund(charge)), call.p).json;
}

Json GetRefund(Call& call) { return Require(call.w, "refund", call.ids[0]).json; }

Json UpdateRefund(Call& call) {
  Object& refund = Require(call.w, "refund", call.ids[0]);
  Change change(call.w, refund);
  ApplyMetadata(refund.json, call.p);
  change.Emit("refund.updated");
  return refund.json;
}

Json ListRefunds(Call& call) { return ListObjects(call, "refund", "/v1/refunds", {"charge", "payment_intent"}); }

}  // namespace stripesim
