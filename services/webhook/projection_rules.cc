#include "services/webhook/projection_rules.h"

#include <algorithm>
#include <tuple>

#include "services/webhook/merge_row.h"

namespace billmesh::webhook {
namespace {

constexpr char kSubscriptionMode[] = "subscription";

// The operations whose session is a purchase of a subscription (WHK-10); the names that request_idempotency.action
// holds.
bool MakesSubscriptionSessions(const OperationFact& operation) {
  return operation.action == "checkout" || operation.action == "signup";
}

// --- Checkout sessions ---

struct SessionWord {
  std::string_view provider_word;
  SessionStatus status;
  Stage stage;
};
constexpr std::array<SessionWord, 3> kSessionWords = {{
    {"open", SessionStatus::kOpen, Stage::kLive},
    {"complete", SessionStatus::kCompletedPendingSubscription, Stage::kEnded},
    {"expired", SessionStatus::kExpired, Stage::kEnded},
}};

const SessionWord* FindSessionWord(std::string_view word) {
  for (const SessionWord& row : kSessionWords) {
    if (row.provider_word == word) return &row;
  }
  return nullptr;
}

// How far the session had come at the provider when the row was written. What only we decided (a hold, an abandonment)
// says nothing of that: a hold gives way to anything, an abandoned row is compared by version alone.
Stage StoredStage(SessionStatus status, Stage incoming) {
  switch (status) {
    case SessionStatus::kOpen:
      return Stage::kLive;
    case SessionStatus::kRecoveryVerificationPending:
      return Stage::kUnknown;
    case SessionStatus::kAbandoned:
      return incoming;
    default:
      return Stage::kEnded;
  }
}

bool IsPaid(const provider::CheckoutSession& session) {
  return session.payment_status == "paid" || session.payment_status == "no_payment_required";
}

TrackedSession* FindSession(EntityState& state, const std::string& id,
                            const std::optional<std::string>& operation_key) {
  for (TrackedSession& tracked : state.sessions) {
    if (tracked.row.provider_session_id == id) return &tracked;
    // A hold, or a row of Tx B's: the operation's one session.
    if (operation_key.has_value() && tracked.row.operation_key == *operation_key) return &tracked;
  }
  return nullptr;
}

void MoveTo(TrackedSession& tracked, SessionStatus to) {
  tracked.row.status = to;
  tracked.path.push_back(to);
}

// `before`: null for a new row.
void NoteChange(const TrackedSession& tracked, const SessionRow* before, bool paid_late,
                std::vector<SessionChange>& changes) {
  const SessionRow& row = tracked.row;
  SessionChange change{row.operation_key, row.provider_session_id, std::nullopt, row.status, paid_late};
  if (before != nullptr) {
    change.from = before->status;
    change.before_digest = DigestOf(*before);
  }
  change.after_digest = DigestOf(row);
  changes.push_back(std::move(change));
}

bool AnotherBlocks(const EntityState& state, const TrackedSession& tracked) {
  return std::any_of(state.sessions.begin(), state.sessions.end(), [&](const TrackedSession& other) {
    return &other != &tracked && other.row.mode == kSubscriptionMode && checkout::Blocks(other.row.status);
  });
}

const SubscriptionRow* SubscriptionOf(const EntityState& state, const SessionRow& session) {
  for (const auto& tracked : state.subscriptions) {
    const SubscriptionRow& row = tracked.row;
    const bool same = session.provider_subscription_id.has_value()
                          ? row.provider_subscription_id == *session.provider_subscription_id
                          : row.operation_key == session.operation_key;
    if (same) return &row;
  }
  return nullptr;
}

// Whatever the event says besides the status.
void TakeFacts(const provider::CheckoutSession& session, const Version& version, SessionRow& row) {
  row.provider_session_id = session.id;
  if (session.customer_id.has_value()) row.provider_customer_id = session.customer_id;
  if (session.subscription_id.has_value()) row.provider_subscription_id = session.subscription_id;
  row.url = session.url;
  row.expires_at = session.expires_at;
  row.version = version;
}

// WHK-10: the provider ended a session of ours whose row was never written.
Applied CreateSession(EntityState& state, const provider::CheckoutSession& session, SessionStatus status,
                      const ApplyContext& context) {
  if (status == SessionStatus::kOpen) return Refuse(Disposition::kIgnored, kSessionStillOpen);
  TrackedSession created;
  SessionRow& row = created.row;
  row.id = context.new_row_id;
  row.entity_id = state.entity_id;
  row.operation_id = context.operation->id;
  row.operation_key = *context.operation_key;
  row.plan_code = context.operation->plan_code;
  row.plan_version = context.operation->plan_version;
  TakeFacts(session, context.version, row);
  MoveTo(created, status);
  state.sessions.push_back(std::move(created));
  TrackedSession& tracked = state.sessions.back();
  Applied applied;
  const bool waits = checkout::Blocks(status) && SubscriptionOf(state, tracked.row) == nullptr;
  if (waits && AnotherBlocks(state, tracked)) {
    // Its operation was given up and another session took the entity's place: this one can't block too. It was paid
    // late.
    MoveTo(tracked, SessionStatus::kAbandoned);
    tracked.row.late_paid_at = context.version.at;
  }
  NoteChange(tracked, nullptr, tracked.row.late_paid_at.has_value(), applied.session_changes);
  ReconcileSessions(state, applied.session_changes);
  NoteResult<SessionRow>(std::nullopt, tracked.row, applied);
  return applied;
}

// CHK-3: it was paid although it had ended here. The earliest time counts, in whatever order the events come.
void MarkLate(TrackedSession& tracked, const ApplyContext& context, Applied& applied) {
  std::optional<absl::Time>& late = tracked.row.late_paid_at;
  const absl::Time at = context.version.at.value_or(absl::InfiniteFuture());
  const bool first = !late.has_value();
  const SessionRow before = tracked.row;
  if (first || *late > at) late = at;
  if (first) NoteChange(tracked, &before, true, applied.session_changes);
}

// --- Subscriptions ---

Tracked<SubscriptionRow>* FindSubscription(EntityState& state, const std::string& id) {
  return FindRow(state.subscriptions, &SubscriptionRow::provider_subscription_id, id);
}

// The items as the snapshot has them. False if two have the same id.
bool TakeItems(const provider::Subscription& subscription, std::vector<ItemRow>& items) {
  std::vector<ItemRow> taken;
  for (const provider::SubscriptionItem& item : subscription.items) {
    taken.push_back({"", item.id, item.price_id, item.quantity, item.period_start, item.period_end});
  }
  const auto by_id = [](const ItemRow& a, const ItemRow& b) { return a.provider_item_id < b.provider_item_id; };
  const auto same_id = [](const ItemRow& a, const ItemRow& b) { return a.provider_item_id == b.provider_item_id; };
  std::sort(taken.begin(), taken.end(), by_id);
  if (std::adjacent_find(taken.begin(), taken.end(), same_id) != taken.end()) return false;
  for (const ItemRow& old : items) {
    const auto at = std::lower_bound(taken.begin(), taken.end(), old, by_id);
    if (at != taken.end() && same_id(*at, old)) at->id = old.id;
  }
  items = std::move(taken);
  return true;
}

void TakeSubscription(const provider::Subscription& from, const SubscriptionStatusRow& word, const Version& version,
                      SubscriptionRow& row) {
  row.provider_customer_id = *from.customer_id;
  row.status = word.status;
  row.cancel_at_period_end = from.cancel_at_period_end;
  row.collection_paused = from.collection_paused;
  row.cancel_at = from.cancel_at;
  row.canceled_at = from.canceled_at;
  row.ended_at = from.ended_at;
  row.trial_start = from.trial_start;
  row.trial_end = from.trial_end;
  row.latest_invoice_id = from.latest_invoice_id;
  row.version = version;
}

// The rank of dup_canonical_v1; the least is canonical.
auto CanonicalRank(const SubscriptionRow& row) {
  return std::make_tuple(row.status == SubscriptionStatus::kIncomplete, row.provider_created_at,
                         std::string_view(row.provider_subscription_id));
}

}  // namespace

void ReconcileSessions(EntityState& state, std::vector<SessionChange>& changes) {
  for (TrackedSession& tracked : state.sessions) {
    if (tracked.row.status != SessionStatus::kCompletedPendingSubscription) continue;
    const SubscriptionRow* subscription = SubscriptionOf(state, tracked.row);
    if (subscription == nullptr) continue;
    const SessionRow before = tracked.row;
    tracked.row.provider_subscription_id = subscription->provider_subscription_id;
    MoveTo(tracked, SessionStatus::kCompletedReconciled);
    NoteChange(tracked, &before, false, changes);
  }
}

Applied ApplyCheckoutSession(EntityState& state, const provider::CheckoutSession& session,
                             const ApplyContext& context) {
  if (session.mode != kSubscriptionMode) {
    const bool of_link = context.operation != nullptr && context.operation->action == kPaymentLinkAction;
    return Refuse(Disposition::kIgnored, of_link ? kPaymentLinkSession : kSessionModeNotKept);
  }
  const SessionWord* word = FindSessionWord(session.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  TrackedSession* tracked = FindSession(state, session.id, context.operation_key);
  if (tracked == nullptr) {
    if (context.operation == nullptr || !MakesSubscriptionSessions(*context.operation)) {
      return Refuse(Disposition::kIgnored, kNotOurCheckout);
    }
    return CreateSession(state, session, word->status, context);
  }
  Applied applied;
  const SessionRow before = tracked->row;
  const Precedence incoming{word->stage, context.version};
  const Precedence stored{StoredStage(before.status, word->stage), before.version};
  const bool wins = Wins(incoming, stored);
  if (IsTie(incoming, stored)) {
    SessionRow candidate = before;
    TakeFacts(session, before.version, candidate);
    applied.tie = !(candidate == before);
  }
  if (wins) {
    TakeFacts(session, context.version, tracked->row);
    if (checkout::MayMove(before.status, word->status)) {
      MoveTo(*tracked, word->status);
      NoteChange(*tracked, &before, false, applied.session_changes);
    }
  }
  const bool given_up = before.status == SessionStatus::kExpired || before.status == SessionStatus::kAbandoned;
  const bool completed = word->status == SessionStatus::kCompletedPendingSubscription;
  if (given_up && completed && IsPaid(session)) MarkLate(*tracked, context, applied);
  ReconcileSessions(state, applied.session_changes);
  if (!wins && before.late_paid_at == tracked->row.late_paid_at) {
    applied.result = kStale;
    return applied;
  }
  NoteResult<SessionRow>(before, tracked->row, applied);
  return applied;
}

Applied ApplySubscription(EntityState& state, const provider::Subscription& subscription, const ApplyContext& context) {
  const SubscriptionStatusRow* word = FindSubscriptionWord(subscription.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  if (!subscription.customer_id.has_value()) return Refuse(Disposition::kFailed, kNoCustomer);
  // Events that show a part only are fetched first; who fetches asks for the whole.
  if (!subscription.items_complete) return Refuse(Disposition::kFailed, kPartOfItems);
  std::vector<ItemRow> items;
  Tracked<SubscriptionRow>* tracked = FindSubscription(state, subscription.id);
  if (tracked != nullptr) items = tracked->row.items;
  if (!TakeItems(subscription, items)) return Refuse(Disposition::kFailed, kRepeatedItem);

  Applied applied;
  std::optional<SubscriptionRow> before;
  bool wins = true;
  if (tracked == nullptr) {
    tracked = &state.subscriptions.emplace_back();
    tracked->row.id = context.new_row_id;
    tracked->row.entity_id = state.entity_id;
    tracked->row.provider_subscription_id = subscription.id;
    tracked->row.provider_created_at = subscription.created_at;
  } else {
    before = tracked->row;
    const Precedence incoming{word->stage, context.version};
    const Precedence stored{RowOf(before->status).stage, before->version};
    wins = Wins(incoming, stored);
    if (IsTie(incoming, stored)) {
      SubscriptionRow candidate = *before;
      TakeSubscription(subscription, *word, before->version, candidate);
      candidate.items = items;
      applied.tie = !(candidate == *before);
    }
  }
  // Which operation bought it is known from any of its events, and never changes.
  const bool learnt = !tracked->row.operation_key.has_value() && context.operation_key.has_value();
  if (learnt) tracked->row.operation_key = context.operation_key;
  if (wins) {
    TakeSubscription(subscription, *word, context.version, tracked->row);
    tracked->row.items = std::move(items);
    applied.canonical_tie = DeriveCurrent(state);
  }
  ReconcileSessions(state, applied.session_changes);
  if (!wins && !learnt) {
    applied.result = kStale;
    return applied;
  }
  NoteResult(before, tracked->row, applied);
  return applied;
}

Applied ApplyInvoice(EntityState& state, const provider::Invoice& invoice, const ApplyContext& context) {
  const InvoiceStatusRow* word = FindInvoiceWord(invoice.status);
  if (word == nullptr) return Refuse(Disposition::kFailed, kUnknownStatus);
  const auto stored_stage = [](const InvoiceRow& row) { return RowOf(row.status).stage; };
  const auto begin = [&](InvoiceRow& row) { row.provider_created_at = invoice.created_at; };
  return MergeRow(state.invoices, {&InvoiceRow::provider_invoice_id, invoice.id, state.entity_id}, word->stage,
                  stored_stage, context, begin, [&](InvoiceRow& row) {
                    row.provider_customer_id = context.linked_customer_id;
                    row.provider_subscription_id = invoice.subscription_id;
                    row.number = invoice.number;
                    row.status = word->status;
                    row.currency = invoice.currency;
                    row.total_minor = invoice.total_minor;
                    row.amount_due_minor = invoice.amount_due_minor;
                    row.amount_paid_minor = invoice.amount_paid_minor;
                    row.amount_remaining_minor = invoice.amount_remaining_minor;
                    row.attempt_count = invoice.attempt_count;
                    row.billing_reason = invoice.billing_reason;
                    row.period_start = invoice.period_start;
                    row.period_end = invoice.period_end;
                    row.hosted_invoice_url = invoice.hosted_url;
                  });
}

bool DeriveCurrent(EntityState& state) {
  std::vector<Tracked<SubscriptionRow>*> live;
  for (auto& tracked : state.subscriptions) {
    tracked.row.is_current = false;
    if (!HasEnded(tracked.row.status)) live.push_back(&tracked);
  }
  if (live.empty()) return false;
  std::sort(live.begin(), live.end(),
            [](const auto* a, const auto* b) { return CanonicalRank(a->row) < CanonicalRank(b->row); });
  const SubscriptionRow& canonical = live[0]->row;
  live[0]->row.is_current = true;
  for (size_t i = 1; i < live.size(); ++i) {
    const std::string& id = live[i]->row.provider_subscription_id;
    const bool noted = std::any_of(state.duplicates.begin(), state.duplicates.end(),
                                   [&](const Duplicate& d) { return d.provider_subscription_id == id; });
    if (!noted) state.duplicates.push_back({state.entity_id, id, canonical.id});
  }
  const auto decided = [](const SubscriptionRow& row) {
    return std::make_pair(row.status == SubscriptionStatus::kIncomplete, row.provider_created_at);
  };
  return live.size() > 1 && decided(live[0]->row) == decided(live[1]->row);
}

}  // namespace billmesh::webhook
