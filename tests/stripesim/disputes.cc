// Disputes: a cardholder's bank takes a payment back. Opened and settled by the control API only, as no API request
// can.

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr int64_t kAnswerDays = 7;

// What may follow a status. An inquiry (warning_…) takes no money; one that escalates becomes a dispute.
struct Step {
  const char* from;
  const char* to;
};
constexpr Step kSteps[] = {
    {"warning_needs_response", "warning_under_review"},
    {"warning_needs_response", "warning_closed"},
    {"warning_needs_response", "needs_response"},
    {"warning_under_review", "warning_closed"},
    {"warning_under_review", "needs_response"},
    {"needs_response", "under_review"},
    {"needs_response", "lost"},
    {"needs_response", "won"},
    {"under_review", "won"},
    {"under_review", "lost"},
};

bool IsInquiry(const std::string& status) { return status.starts_with("warning_"); }
bool IsClosed(const std::string& status) { return status == "won" || status == "lost" || status == "warning_closed"; }

// Money taken from the account, or given back.
Json BalanceTransaction(World& w, const Object& dispute, int64_t amount) {
  return Json{{"id", w.ids.Make("txn_1", 23)},
              {"object", "balance_transaction"},
              {"amount", amount},
              {"created", w.Now()},
              {"currency", At(dispute.json, "currency")},
              {"fee", 0},
              {"net", amount},
              {"reporting_category", amount < 0 ? "dispute" : "dispute_reversal"},
              {"source", dispute.id},
              {"status", "available"},
              {"type", "adjustment"}};
}

void MoveFunds(World& w, Object& dispute, bool reinstated) {
  const int64_t amount = Int(dispute.json, "amount");
  dispute.json["balance_transactions"].push_back(BalanceTransaction(w, dispute, reinstated ? amount : -amount));
  dispute.json["is_charge_refundable"] = false;
  w.Emit(reinstated ? "charge.dispute.funds_reinstated" : "charge.dispute.funds_withdrawn", dispute);
}

Json EvidenceDetails(World& w) {
  return Json{{"due_by", w.Now() + kAnswerDays * kDay},
              {"enhanced_eligibility", Json::object()},
              {"has_evidence", false},
              {"past_due", false},
              {"submission_count", 0},
              {"submission_method", "not_submitted"}};
}

}  // namespace

Object& OpenDispute(World& w, const std::string& charge_id, const std::string& reason, bool inquiry) {
  Object& charge = Require(w, "charge", charge_id, "charge");
  if (!Bool(charge.json, "paid")) throw Refused("Only a payment that succeeded can be disputed.", "charge");
  if (Bool(charge.json, "disputed")) throw Refused("This charge is disputed already.", "charge");
  Json dispute = NewObject(w, "dispute");
  dispute["amount"] = At(charge.json, "amount");
  dispute["balance_transactions"] = Json::array();
  dispute["charge"] = charge.id;
  dispute["created"] = w.Now();
  dispute["currency"] = At(charge.json, "currency");
  dispute["enhanced_eligibility_types"] = Json::array();
  dispute["evidence"] = Json{{"product_description", nullptr}, {"uncategorized_text", nullptr}};
  dispute["evidence_details"] = EvidenceDetails(w);
  dispute["intended_submission_method"] = nullptr;
  dispute["is_charge_refundable"] = inquiry;
  dispute["livemode"] = w.options.livemode;
  dispute["metadata"] = Json::object();
  dispute["payment_intent"] = At(charge.json, "payment_intent");
  dispute["payment_method_details"] = Json{
      {"card", {{"brand", "visa"}, {"case_type", inquiry ? "inquiry" : "chargeback"}, {"network_reason_code", "83"}}},
      {"type", "card"}};
  dispute["reason"] = reason.empty() ? "fraudulent" : reason;
  dispute["status"] = inquiry ? "warning_needs_response" : "needs_response";
  Object& object = w.store.Insert(std::move(dispute));
  // No event tells of the charge itself.
  charge.json["disputed"] = true;
  w.ledger.Count("disputes");
  w.Effect("disputed", object);
  w.Emit("charge.dispute.created", object);
  if (!inquiry) MoveFunds(w, object, false);
  return object;
}

void MoveDispute(World& w, Object& dispute, const std::string& status) {
  const std::string before = Str(dispute.json, "status");
  const bool known = std::any_of(std::begin(kSteps), std::end(kSteps),
                                 [&](const Step& step) { return before == step.from && status == step.to; });
  if (!known) throw Refused("A dispute that is " + before + " can't become " + status + ".", "status");
  Change change(w, dispute);
  dispute.json["status"] = status;
  if (status.ends_with("under_review")) {
    dispute.json["evidence_details"]["has_evidence"] = true;
    dispute.json["evidence_details"]["submission_count"] = 1;
    dispute.json["evidence_details"]["submission_method"] = "manual";
  }
  w.Effect("updated", dispute);
  change.Emit("charge.dispute.updated");
  if (IsInquiry(before) && !IsInquiry(status)) MoveFunds(w, dispute, false);
  if (status == "won") MoveFunds(w, dispute, true);
  if (IsClosed(status)) w.Emit("charge.dispute.closed", dispute);
}

Json GetDispute(Call& call) { return Require(call.w, "dispute", call.ids[0]).json; }

Json ListDisputes(Call& call) { return ListObjects(call, "dispute", "/v1/disputes", {"charge", "payment_intent"}); }

// Gives up: the dispute is lost.
Json CloseDispute(Call& call) {
  Object& dispute = Require(call.w, "dispute", call.ids[0]);
  MoveDispute(call.w, dispute, IsInquiry(Str(dispute.json, "status")) ? "warning_closed" : "lost");
  return dispute.json;
}

}  // namespace stripesim
