#include "tests/fault/life_actions.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace billmesh::convergence {
namespace {

using Player = LifePlayer;

std::string PathOf(const Json& sub) { return "/v1/subscriptions/" + Str(sub, "id"); }

std::string Prorations(Player& p) {
  return absl::StrCat("&proration_behavior=", p.OneIn(3)   ? "always_invoice"
                                              : p.OneIn(2) ? "none"
                                                           : "create_prorations");
}

void Wait(Player& p) { p.Advance(kDayS * static_cast<int64_t>(1 + p.Dice(12))); }
void Renew(Player& p) { p.Advance(kDayS * 31); }

void ChangePlan(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  const Json& item = (*sub)["items"]["data"][0];
  const std::string price = Str(item["price"], "id") == p.basic() ? p.team() : p.basic();
  p.Post(PathOf(*sub), absl::StrCat("items[0][id]=", Str(item, "id"), "&items[0][price]=", price, Prorations(p)));
}

void ChangeQuantity(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  const std::string item = Str((*sub)["items"]["data"][0], "id");
  p.Post("/v1/subscription_items/" + item, absl::StrCat("quantity=", 1 + p.Dice(9), Prorations(p)));
}

void AddOn(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  for (const Json& item : (*sub)["items"]["data"]) {
    if (Str(item["price"], "id") != p.add_on()) continue;
    p.Delete("/v1/subscription_items/" + Str(item, "id"));
    return;
  }
  p.Post("/v1/subscription_items", absl::StrCat("subscription=", Str(*sub, "id"), "&price=", p.add_on(),
                                                "&quantity=", 1 + p.Dice(4), Prorations(p)));
}

void CardStopsWorking(Player& p) {
  constexpr const char* kEnds[] = {"canceled", "unpaid", "past_due"};
  p.Control("payment_behavior", {{"customer", p.customer()}, {"decline", true}, {"final_status", kEnds[p.Dice(3)]}});
  if (p.OneIn(2)) p.Advance(kDayS * static_cast<int64_t>(20 + p.Dice(25)));
}

void CardWorksAgain(Player& p) {
  p.Control("payment_behavior", {{"customer", p.customer()}, {"decline", false}});
  for (const Json& invoice : p.List("/v1/invoices?status=open&customer=" + p.customer())) {
    p.Post(absl::StrCat("/v1/invoices/", Str(invoice, "id"), "/pay"));
  }
}

void Pause(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  p.Post(PathOf(*sub) + (Str(*sub, "status") == "paused" ? "/resume" : "/pause"));
}

void PauseCollection(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  constexpr const char* kBehaviors[] = {"void", "keep_as_draft", "mark_uncollectible"};
  const bool paused = !(*sub)["pause_collection"].is_null();
  p.Post(PathOf(*sub),
         paused ? "pause_collection=" : absl::StrCat("pause_collection[behavior]=", kBehaviors[p.Dice(3)]));
}

void CancelAtPeriodEnd(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  p.Post(PathOf(*sub),
         absl::StrCat("cancel_at_period_end=", (*sub)["cancel_at_period_end"] == true ? "false" : "true"));
}

void CancelOnDate(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub) return;
  p.Post(PathOf(*sub), absl::StrCat("cancel_at=", p.Now() + kDayS * static_cast<int64_t>(1 + p.Dice(40))));
}

void CancelNow(Player& p) {
  if (const auto sub = p.AnyLiving()) p.Delete(PathOf(*sub));
}

void ExtendTrial(Player& p) {
  const auto sub = p.AnyLiving();
  if (!sub || Str(*sub, "status") != "trialing") return;
  p.Post(PathOf(*sub), p.OneIn(2) ? "trial_end=now"
                                  : absl::StrCat("trial_end=", p.Now() + kDayS * static_cast<int64_t>(5 + p.Dice(9))));
}

void BuyAgain(Player& p) {
  if (!p.Living().empty()) return;
  const std::string session = p.OpenCheckout(p.OneIn(3) ? StoredSession::kNone : StoredSession::kOpen, "");
  if (session.empty()) return;
  p.Advance(static_cast<int64_t>(p.Dice(100)));
  if (p.OneIn(5)) {
    p.Advance(kDayS + 60);  // not bought after all
  } else {
    p.PaySession(session);
  }
}

// Somebody makes a second one in the provider's console.
void Duplicate(Player& p) {
  p.Post("/v1/subscriptions", absl::StrCat("customer=", p.customer(), "&items[0][price]=", p.team(),
                                           p.OneIn(3) ? "&payment_behavior=default_incomplete" : ""));
}

void PayOpenInvoice(Player& p) {
  if (const auto invoice = p.AnyOf("/v1/invoices?status=open&customer=" + p.customer())) {
    p.Post(absl::StrCat("/v1/invoices/", Str(*invoice, "id"), "/pay"));
  }
}

// Within one second: an impatient buyer. Then maybe with another card, which works.
void TryTwiceAtOnce(Player& p) {
  const auto invoice = p.AnyOf("/v1/invoices?status=open&customer=" + p.customer());
  if (!invoice) return;
  const std::string pay = absl::StrCat("/v1/invoices/", Str(*invoice, "id"), "/pay");
  p.Control("payment_behavior", {{"customer", p.customer()}, {"decline", true}});
  p.Post(pay);
  p.Post(pay);
  p.Control("payment_behavior", {{"customer", p.customer()}, {"decline", false}});
  if (p.OneIn(3)) p.Post(pay);
}

void VoidOpenInvoice(Player& p) {
  if (const auto invoice = p.AnyOf("/v1/invoices?status=open&customer=" + p.customer())) {
    p.Post(absl::StrCat("/v1/invoices/", Str(*invoice, "id"), "/void"));
  }
}

void Refund(Player& p) {
  const auto charge = p.AnyOf("/v1/charges?customer=" + p.customer());
  if (!charge || (*charge)["paid"] != true) return;
  const bool later = p.OneIn(3);
  if (later) p.Control("payment_behavior", {{"customer", p.customer()}, {"refund_status", "pending"}});
  const Json refund = p.Post("/v1/refunds", absl::StrCat("charge=", Str(*charge, "id"),
                                                         p.OneIn(2) ? absl::StrCat("&amount=", 1 + p.Dice(400)) : ""));
  if (later) p.Control("payment_behavior", {{"customer", p.customer()}, {"refund_status", "succeeded"}});
  if (refund.is_null() || (!later && !p.OneIn(4))) return;
  p.Advance(static_cast<int64_t>(p.Dice(5 * kDayS)));
  p.Control("refunds/" + Str(refund, "id"), {{"status", later && p.OneIn(2) ? "succeeded" : "failed"}});
}

void Dispute(Player& p) {
  const auto charge = p.AnyOf("/v1/charges?customer=" + p.customer());
  if (!charge) return;
  p.Control("disputes", {{"charge", Str(*charge, "id")}, {"inquiry", p.OneIn(3)}});
  const auto dispute = p.AnyOf("/v1/disputes?charge=" + Str(*charge, "id"));
  if (!dispute || p.OneIn(3)) return;
  // What doesn't follow the present status is refused.
  for (const char* status :
       {"warning_under_review", "needs_response", "under_review", "won", "lost", "warning_closed"}) {
    if (p.OneIn(2)) p.Advance(static_cast<int64_t>(p.Dice(4 * kDayS)));
    if (!p.OneIn(3)) p.Control("disputes/" + Str(*dispute, "id"), {{"status", status}});
  }
}

void CreditNote(Player& p) {
  const auto invoice = p.AnyOf("/v1/invoices?customer=" + p.customer());
  if (!invoice) return;
  const std::string of = absl::StrCat("invoice=", Str(*invoice, "id"));
  if (Str(*invoice, "status") == "paid") {
    const uint64_t amount = 1 + p.Dice(300);
    p.Post("/v1/credit_notes",
           absl::StrCat(of, "&amount=", amount, p.OneIn(2) ? "&refund_amount=" : "&credit_amount=", amount));
    return;
  }
  const bool whole = p.OneIn(3);
  const Json note = p.Post("/v1/credit_notes",
                           absl::StrCat(of, "&amount=", whole ? (*invoice)["amount_remaining"].get<int64_t>() : 100));
  if (note.is_null() || whole || p.OneIn(2)) return;
  p.Advance(static_cast<int64_t>(p.Dice(3600)));
  p.Post(absl::StrCat("/v1/credit_notes/", Str(note, "id"), "/void"));
}

void NewCard(Player& p) {
  const Json method = p.Post("/v1/payment_methods/pm_card_mastercard/attach", "customer=" + p.customer());
  if (method.is_null() || p.OneIn(3)) return;
  p.Post("/v1/customers/" + p.customer(), "invoice_settings[default_payment_method]=" + Str(method, "id"));
}

void LoseCard(Player& p) {
  if (const auto method = p.AnyOf("/v1/payment_methods?customer=" + p.customer())) {
    p.Post(absl::StrCat("/v1/payment_methods/", Str(*method, "id"), "/detach"));
  }
}

void RenewCard(Player& p) {
  if (const auto method = p.AnyOf("/v1/payment_methods?customer=" + p.customer())) {
    p.Control("payment_methods/" + Str(*method, "id"), {{"exp_year", 2036 + static_cast<int>(p.Dice(9))}});
  }
}

void Rename(Player& p) { p.Post("/v1/customers/" + p.customer(), absl::StrCat("name=Acme", p.Dice(1000))); }
void BuyOnce(Player& p) { p.SellByLink(); }

void DeleteCustomer(Player& p) {
  if (!p.OneIn(3)) return;
  p.Delete("/v1/customers/" + p.customer());
  p.set_deleted();
}

}  // namespace

const std::vector<LifeAction>& LifeActions() {
  static const auto* const kActions = new std::vector<LifeAction>{
      {"days go by", 6, Wait},
      {"it is renewed", 8, Renew},
      {"the plan is changed", 5, ChangePlan},
      {"the quantity is changed", 4, ChangeQuantity},
      {"an add-on is added or removed", 6, AddOn},
      {"the card stops working", 5, CardStopsWorking},
      {"the card works again", 6, CardWorksAgain},
      {"it is paused or resumed", 4, Pause},
      {"collection is paused or goes on", 3, PauseCollection},
      {"it is to end with the period, or not", 5, CancelAtPeriodEnd},
      {"it is to end on a date", 2, CancelOnDate},
      {"it is canceled", 3, CancelNow},
      {"the trial is changed", 3, ExtendTrial},
      {"it is bought again", 5, BuyAgain},
      {"a second one is made", 4, Duplicate},
      {"an open invoice is paid", 4, PayOpenInvoice},
      {"an open invoice is tried twice at once", 4, TryTwiceAtOnce},
      {"an open invoice is voided", 2, VoidOpenInvoice},
      {"money is given back", 5, Refund},
      {"a payment is disputed", 3, Dispute},
      {"an invoice is credited", 4, CreditNote},
      {"a card is added", 4, NewCard},
      {"a card is removed", 2, LoseCard},
      {"the bank renews a card", 2, RenewCard},
      {"the customer is renamed", 1, Rename},
      {"something is bought once", 3, BuyOnce},
      {"the customer is deleted", 1, DeleteCustomer},
  };
  return *kActions;
}

}  // namespace billmesh::convergence
