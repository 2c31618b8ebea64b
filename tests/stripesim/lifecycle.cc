// What time does to subscriptions, invoices and checkout sessions.

#include <algorithm>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

constexpr int64_t kTrialWarningS = 3 * 86400;

bool Ended(const Object& sub) {
  const std::string status = Str(sub.json, "status");
  return status == "canceled" || status == "incomplete_expired";
}

// A trial that ends without a card does what its settings say. Returns whether that was its end.
bool TrialEndsWithoutCard(World& w, Object& sub) {
  if (!DefaultMethod(w, sub).empty()) return false;
  const std::string behavior = Str(At(At(sub.json, "trial_settings"), "end_behavior"), "missing_payment_method");
  if (behavior == "cancel") {
    EndSubscription(w, sub, "cancellation_requested");
    return true;
  }
  if (behavior != "pause") return false;
  Change change(w, sub);
  sub.json["status"] = "paused";
  change.Emit("customer.subscription.updated");
  w.Emit("customer.subscription.paused", sub);
  return true;
}

// Moves every item whose period is over to its next one.
void RollItems(World& w, Object& sub) {
  const int64_t anchor = Int(sub.json, "billing_cycle_anchor");
  for (Json& item : sub.json["items"]["data"]) {
    const int64_t end = Int(item, "current_period_end");
    if (end > w.Now()) continue;
    sub.priv["last_period_start"] = Int(item, "current_period_start");
    item["current_period_start"] = end;
    item["current_period_end"] = PeriodEnd(At(item, "price"), anchor, end);
  }
}

void RenewalInvoice(World& w, Object& sub) {
  Object& invoice = DraftInvoice(w, sub, "subscription_cycle", false);
  sub.json["latest_invoice"] = invoice.id;
  const std::string pause = Str(At(sub.json, "pause_collection"), "behavior");
  if (pause == "void") {
    FinalizeInvoice(w, invoice);
    MarkVoid(w, invoice);
  } else if (pause == "mark_uncollectible") {
    FinalizeInvoice(w, invoice);
    Change change(w, invoice);
    invoice.json["status"] = "uncollectible";
    invoice.json["status_transitions"]["marked_uncollectible_at"] = w.Now();
    change.Emit("invoice.marked_uncollectible");
  } else if (pause == "keep_as_draft" || Str(sub.json, "status") == "unpaid") {
    invoice.json["auto_advance"] = false;
  } else {
    const int64_t due = w.Now() + w.options.renewal_finalize_delay_s;
    invoice.json["automatically_finalizes_at"] = due;
    w.timers.Add(due, {Timer::Kind::kInvoiceFinalize, invoice.id});
  }
}

void OnPeriodEnd(World& w, Object& sub) {
  const std::string status = Str(sub.json, "status");
  if (Ended(sub) || status == "paused" || status == "incomplete") return;
  if (CurrentPeriodEnd(sub.json) > w.Now()) return;  // renewed or changed meanwhile
  if (Bool(sub.json, "cancel_at_period_end")) {
    EndSubscription(w, sub, "cancellation_requested");
    return;
  }
  if (status == "trialing" && TrialEndsWithoutCard(w, sub)) return;
  Change change(w, sub);
  RollItems(w, sub);
  if (status == "trialing") sub.json["status"] = "active";
  RenewalInvoice(w, sub);
  change.Emit("customer.subscription.updated");
  ScheduleSubscription(w, sub);
}

void OnIncompleteExpiry(World& w, Object& sub) {
  if (Str(sub.json, "status") != "incomplete") return;
  if (Object* invoice = w.store.Find("invoice", Str(sub.json, "latest_invoice"))) {
    if (Str(invoice->json, "status") == "open") MarkVoid(w, *invoice);
  }
  Change change(w, sub);
  sub.json["status"] = "incomplete_expired";
  sub.json["ended_at"] = w.Now();
  change.Emit("customer.subscription.updated");
}

void OnInvoiceDue(World& w, Object& invoice, bool retry) {
  const std::string status = Str(invoice.json, "status");
  const Object* sub =
      w.store.Find("subscription", Str(At(At(invoice.json, "parent"), "subscription_details"), "subscription"));
  if (sub != nullptr && Ended(*sub)) return;
  if (retry) {
    if (status != "open" || Int(invoice.json, "next_payment_attempt", INT64_MAX) > w.Now()) return;
  } else {
    if (status != "draft" || !Bool(invoice.json, "auto_advance")) return;
    FinalizeInvoice(w, invoice);
    if (Str(invoice.json, "collection_method") == "send_invoice") {
      w.Emit("invoice.sent", invoice);
      return;
    }
  }
  const bool paid = CollectInvoiceByDefault(w, invoice);
  SubscriptionAfterInvoice(w, invoice, paid);
}

void RunSubscriptionTimer(World& w, Timer::Kind kind, Object& sub) {
  switch (kind) {
    case Timer::Kind::kPeriodEnd:
      OnPeriodEnd(w, sub);
      break;
    case Timer::Kind::kTrialWillEnd:
      if (Str(sub.json, "status") == "trialing" && Int(sub.json, "trial_end") - kTrialWarningS <= w.Now() &&
          Int(sub.priv, "warned_for") != Int(sub.json, "trial_end")) {
        sub.priv["warned_for"] = Int(sub.json, "trial_end");
        w.Emit("customer.subscription.trial_will_end", sub);
      }
      break;
    case Timer::Kind::kIncompleteExpiry:
      OnIncompleteExpiry(w, sub);
      break;
    case Timer::Kind::kCancelAt:
      if (!Ended(sub) && Has(sub.json, "cancel_at") && Int(sub.json, "cancel_at") <= w.Now() &&
          !Bool(sub.json, "cancel_at_period_end")) {
        EndSubscription(w, sub, "cancellation_requested");
      }
      break;
    default:
      if (Int(At(sub.json, "pause_collection"), "resumes_at", INT64_MAX) <= w.Now()) {
        Change change(w, sub);
        sub.json["pause_collection"] = nullptr;
        change.Emit("customer.subscription.updated");
      }
  }
}

void RunTimer(World& w, const Timer& timer) {
  Object* object = w.store.FindAny(timer.id);
  if (object == nullptr || object->deleted) return;
  if (timer.kind == Timer::Kind::kSessionExpiry) {
    if (Str(object->json, "status") == "open" && Int(object->json, "expires_at") <= w.Now()) {
      ExpireOpenSession(w, *object);
    }
  } else if (timer.kind == Timer::Kind::kInvoiceFinalize) {
    OnInvoiceDue(w, *object, false);
  } else if (timer.kind == Timer::Kind::kInvoiceRetry) {
    OnInvoiceDue(w, *object, true);
  } else {
    RunSubscriptionTimer(w, timer.kind, *object);
  }
}

}  // namespace

void ScheduleSubscription(World& w, const Object& sub) {
  const std::string status = Str(sub.json, "status");
  if (Ended(sub) || status == "paused") return;
  w.timers.Add(CurrentPeriodEnd(sub.json), {Timer::Kind::kPeriodEnd, sub.id});
  if (Has(sub.json, "cancel_at")) {
    w.timers.Add(Int(sub.json, "cancel_at"), {Timer::Kind::kCancelAt, sub.id});
  }
  if (status == "trialing") {
    w.timers.Add(std::max(w.Now(), Int(sub.json, "trial_end") - kTrialWarningS), {Timer::Kind::kTrialWillEnd, sub.id});
  }
  if (const int64_t resumes = Int(At(sub.json, "pause_collection"), "resumes_at"); resumes != 0) {
    w.timers.Add(resumes, {Timer::Kind::kPauseEnd, sub.id});
  }
}

void EndSubscription(World& w, Object& sub, const std::string& reason) {
  if (Ended(sub)) return;
  sub.json["status"] = "canceled";
  sub.json["ended_at"] = w.Now();
  if (!Has(sub.json, "canceled_at")) sub.json["canceled_at"] = w.Now();
  sub.json["cancellation_details"]["reason"] = reason;
  sub.json["pause_collection"] = nullptr;
  if (Object* invoice = w.store.Find("invoice", Str(sub.json, "latest_invoice"))) {
    // What is still open is no longer tried.
    if (Str(invoice->json, "status") != "paid") {
      Change change(w, *invoice);
      invoice->json["auto_advance"] = false;
      invoice->json["next_payment_attempt"] = nullptr;
      change.Emit("invoice.updated");
    }
  }
  w.ledger.Count("subscriptions_canceled");
  w.Effect("canceled", sub);
  w.Emit("customer.subscription.deleted", sub);
}

void ExpireOpenSession(World& w, Object& session) {
  session.json["status"] = "expired";
  session.json["url"] = nullptr;
  NoteSessionClosed(w, session);
  w.Effect("expired", session);
  w.Emit("checkout.session.expired", session);
}

void NoteSessionOpened(World& w, Object& session) {
  const std::string customer = Str(session.json, "customer");
  if (Str(session.json, "mode") != "subscription" || customer.empty() || Has(session.json, "payment_link")) {
    return;
  }
  session.priv["counted_for"] = customer;
  const int open = ++w.open_sessions[customer];
  w.max_open_sessions = std::max(w.max_open_sessions, open);
}

void NoteSessionClosed(World& w, Object& session) {
  auto it = w.open_sessions.find(Str(session.priv, "counted_for"));
  session.priv.erase("counted_for");
  if (it != w.open_sessions.end() && --it->second == 0) w.open_sessions.erase(it);
}

void RunDueTimers(World& w) {
  const int64_t until = w.Now();
  const Actor before = w.actor;
  while (auto due = w.timers.Pop(until)) {
    w.clock.Pin(due->first);
    w.actor = Actor{"clock", "", ""};
    RunTimer(w, due->second);
  }
  w.clock.Unpin();
  w.actor = before;
}

}  // namespace stripesim
