#include "tests/fault/convergence_world.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/outbox/refresh_job.h"

namespace billmesh::convergence {
namespace {

constexpr size_t kBatch = 64;            // events of one transaction, as the daemon's batcher takes them
constexpr uint64_t kMaxStepsAtOnce = 6;  // of one tenant, before another's turn
constexpr int kMaxPasses = 2000;         // of the worker; more means that it never becomes quiet
// Longer than a failed event's backoff.
constexpr absl::Duration kLater = absl::Hours(3);

[[noreturn]] void Broken(const std::string& what) {
  std::fprintf(stderr, "the campaign can't go on: %s\n", what.c_str());
  std::abort();
}

const char* StatusName(StoredSession stored) {
  switch (stored) {
    case StoredSession::kOpen:
      return "open";
    case StoredSession::kHold:
      return "recovery_verification_pending";
    case StoredSession::kAbandoned:
      return "abandoned";
    default:
      return "expired";
  }
}

std::vector<std::pair<LifeObject, MarkedText>> Marked(const LifeSnapshot& snapshot) {
  std::vector<std::pair<LifeObject, MarkedText>> texts;
  for (const LifeObject& object : snapshot.objects) texts.emplace_back(object, MarkedText(object.json));
  return texts;
}

}  // namespace

ConvergenceWorld::ConvergenceWorld() { database_.AddPlan("pro", 2000, {}); }

std::vector<Outcome> ConvergenceWorld::Run(const Life& life, const std::vector<DeliveryOrder>& orders, uint64_t seed) {
  LoadTexts(life);
  AddTenants(orders);
  std::mt19937_64 chance(seed);
  const auto done = [](const Tenant& tenant) { return tenant.next == tenant.order->steps.size(); };
  while (!std::all_of(tenants_.begin(), tenants_.end(), done)) Round(chance);
  Quiesce();
  NoteStuckEvents();
  auto projections = ReadProjections([this](const std::string& sql) { return database_.Admin(sql.c_str()); });
  std::vector<Outcome> outcomes;
  for (Tenant& tenant : tenants_) {
    Outcome outcome;
    for (auto& [name, row] : projections[tenant.entity_id]) {
      outcome.projection[WithoutSuffix(name, tenant.suffix)] = {WithoutSuffix(row.content, tenant.suffix),
                                                                WithoutSuffix(row.version, tenant.suffix), row.fetched};
    }
    outcome.troubles = std::move(tenant.troubles);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

void ConvergenceWorld::LoadTexts(const Life& life) {
  life_ = &life;
  events_.clear();
  snapshots_.clear();
  before_start_.clear();
  for (const LifeEvent& event : life.events) {
    std::array<MarkedText, kShapes> texts;
    for (size_t shape = 0; shape < kShapes; ++shape) texts[shape] = MarkedText(event.bodies[shape]);
    events_.push_back(std::move(texts));
  }
  for (const LifeSnapshot& snapshot : life.snapshots) snapshots_.push_back(Marked(snapshot));
  for (const LifeOperation& operation : life.operations) before_start_.push_back(Marked(operation.before_start));
  present_ = Marked(life.present);
}

void ConvergenceWorld::AddTenants(const std::vector<DeliveryOrder>& orders) {
  database_.AdminScript(
      "TRUNCATE billing.entities, billing.webhook_events, billing.webhook_event_keys, billing.audit_log, "
      "billing.change_feed, billing.outbox_jobs CASCADE");
  database_.SetClockOffset(absl::ZeroDuration());
  tenants_.clear();
  tenant_of_.clear();
  std::vector<std::string> ids, refs;
  for (size_t n = 0; n < orders.size(); ++n) {
    const std::string suffix = absl::StrCat("Tz", 10000 + n);
    tenants_.push_back({&orders[n], database_.ids().NewId(), suffix});
    ids.push_back(tenants_.back().entity_id);
    refs.push_back("tenant-" + suffix);
  }
  for (Tenant& tenant : tenants_) tenant_of_[tenant.entity_id] = &tenant;
  database_.Admin(R"sql(
    INSERT INTO billing.entities (id, env, kind, ref)
    SELECT v.id, 'test', 'workspace', v.ref FROM unnest($1::uuid[], $2::text[]) AS v (id, ref)
  )sql",
                  {db::Param::UuidArray(ids), db::Param::TextArray(refs)});
}

// Every tenant takes its next steps, in a random order of tenants.
void ConvergenceWorld::Round(std::mt19937_64& chance) {
  std::vector<Tenant*> turn;
  for (Tenant& tenant : tenants_) turn.push_back(&tenant);
  std::shuffle(turn.begin(), turn.end(), chance);
  for (Tenant* tenant : turn) TakeSteps(*tenant, chance);
  Flush();
}

// Some deliveries, or one of the other steps: what is still in a batch of this tenant's is never overtaken by it.
void ConvergenceWorld::TakeSteps(Tenant& tenant, std::mt19937_64& chance) {
  const std::vector<Step>& steps = tenant.order->steps;
  for (uint64_t left = 1 + chance() % kMaxStepsAtOnce; left > 0 && tenant.next < steps.size(); --left) {
    const Step& step = steps[tenant.next];
    if (step.kind == Step::Kind::kDeliver) {
      ++tenant.next;
      Deliver(tenant, step);
      continue;
    }
    if (tenant.batched) return;
    ++tenant.next;
    if (step.kind == Step::Kind::kLink) Link(tenant);
    if (step.kind == Step::Kind::kStart) Start(tenant, life_->operations[step.index], step.index);
    if (step.kind == Step::Kind::kProject) Project(tenant, snapshots_[step.index], life_->snapshots[step.index].date);
    if (step.kind == Step::Kind::kRefresh) Project(tenant, present_, life_->present.date);
    if (step.kind == Step::Kind::kDrain) Drain(&tenant);
    if (step.kind == Step::Kind::kProject || step.kind == Step::Kind::kRefresh) return;
  }
}

void ConvergenceWorld::Flush() {
  FlushEvents();
  FlushObjects();
}

void ConvergenceWorld::Deliver(Tenant& tenant, const Step& step) {
  const MarkedText& text = events_[step.index][static_cast<size_t>(step.shape)];
  incoming_.push_back(webhook::Parsed(text.For(tenant.suffix, tenant.entity_id)));
  tenant.batched = true;
  if (incoming_.size() == kBatch) FlushEvents();
}

void ConvergenceWorld::FlushEvents() {
  if (incoming_.empty()) return;
  for (const auto& result : replica_.service.Apply(incoming_)) {
    if (!result.ok()) Broken(absl::StrCat("an event was not stored: ", result.status().ToString()));
    ++counts_.deliveries;
    if (result->duplicate) ++counts_.duplicates;
    if (!result->duplicate && result->disposition == webhook::Disposition::kParked) ++counts_.parked;
  }
  incoming_.clear();
  for (Tenant& tenant : tenants_) tenant.batched = false;
  (void)replica_.notifier.Take();
}

std::string ConvergenceWorld::Own(const Tenant& tenant, const std::string& text) const {
  return absl::StrCat(text, tenant.suffix);
}

void ConvergenceWorld::Link(Tenant& tenant) {
  database_.LinkCustomer(tenant.entity_id, Own(tenant, life_->customer_id));
}

// What checkout leaves behind before the provider is asked, and after (Tx A, Tx B). One that finds an earlier session
// in its way, or an earlier operation without a result, first looks at the provider (CHK-4, IDM-9).
void ConvergenceWorld::Start(Tenant& tenant, const LifeOperation& operation, size_t index) {
  if (operation.action == "checkout" && index > 0) {
    const std::string open = database_.Value(R"sql(
      SELECT 'yes' FROM billing.request_idempotency r
      LEFT JOIN billing.checkout_sessions s ON s.operation_key = r.operation_key
      WHERE r.entity_id = $1 AND r.action = 'checkout'
        AND (s.id IS NULL OR s.status IN ('open', 'completed_pending_subscription', 'recovery_verification_pending'))
      LIMIT 1
    )sql",
                                             {tenant.entity_id});
    if (!open.empty()) {
      Project(tenant, before_start_[index], operation.before_start.date);
      FlushObjects();
    }
  }
  InsertOperation(tenant, operation);
  if (operation.action == "checkout" && operation.stored != StoredSession::kNone) InsertSession(tenant, operation);
}

void ConvergenceWorld::InsertOperation(const Tenant& tenant, const LifeOperation& operation) {
  // Of one without a session row it isn't known yet how it ended; its lease is over.
  const bool doubtful = operation.action == "checkout" && operation.stored != StoredSession::kOpen;
  database_.Admin(R"sql(
    INSERT INTO billing.request_idempotency (id, env, entity_id, action, client_key, fingerprint, canonical_request,
      operation_key, actor, status, provider, plan_code, plan_version, completed_at, failure_code, response)
    VALUES ($1, 'test', $2, $3, $4, '', '', $4, 'user:x', $5, 'stripe', 'pro', 1, billing.now(),
      CASE WHEN $5 = 'failed' THEN 'x' END, CASE WHEN $5 = 'succeeded' THEN '{}' END)
  )sql",
                  {database_.ids().NewId(), tenant.entity_id, operation.action, Own(tenant, operation.key),
                   doubtful ? "failed" : "succeeded"});
}

void ConvergenceWorld::InsertSession(const Tenant& tenant, const LifeOperation& operation) {
  const bool hold = operation.stored == StoredSession::kHold;
  database_.Admin(
      R"sql(
    INSERT INTO billing.checkout_sessions (id, env, entity_id, operation_id, operation_key, provider, provider_session_id,
      status, plan_code, plan_version, expires_at, ended_at)
    VALUES ($1, 'test', $2, (SELECT id FROM billing.request_idempotency WHERE operation_key = $3), $3, 'stripe', $4, $5,
      'pro', 1, billing.now() + interval '1 day', CASE WHEN $5 IN ('expired', 'abandoned') THEN billing.now() END)
  )sql",
      {database_.ids().NewId(), tenant.entity_id, Own(tenant, operation.key),
       hold ? std::nullopt : std::optional(Own(tenant, operation.session_id)), StatusName(operation.stored)});
}

void ConvergenceWorld::Project(Tenant& tenant, const Texts& objects, int64_t date) {
  for (const auto& [object, text] : objects) {
    fetched_.emplace_back(&tenant, webhook::FetchedObject{object.kind, text.For(tenant.suffix, tenant.entity_id),
                                                          absl::FromUnixSeconds(date)});
  }
}

void ConvergenceWorld::FlushObjects() {
  for (size_t at = 0; at < fetched_.size(); at += kBatch) {
    std::vector<webhook::FetchedObject> batch;
    for (size_t n = at; n < std::min(fetched_.size(), at + kBatch); ++n) batch.push_back(fetched_[n].second);
    const auto projected = projection_.Project(batch, "campaign");
    if (!projected.ok()) Broken(absl::StrCat("nothing was projected: ", projected.status().ToString()));
    for (size_t n = 0; n < projected->size(); ++n) {
      ++counts_.projected;
      Judge(*fetched_[at + n].first, batch[n], (*projected)[n]);
    }
  }
  fetched_.clear();
}

void ConvergenceWorld::Judge(Tenant& tenant, const webhook::FetchedObject& fetched,
                             const webhook::ProjectedObject& projected) {
  using webhook::ProjectionOutcome;
  if (projected.outcome == ProjectionOutcome::kUnbound) tenant.unbound.push_back(fetched);
  const bool refused =
      projected.outcome == ProjectionOutcome::kRefused && projected.reason != webhook::kPaymentLinkSession;
  if (!refused && projected.outcome != ProjectionOutcome::kContradicted) return;
  tenant.troubles.push_back(absl::StrCat("a fetched ", fetched.kind, " was ",
                                         AbslView(webhook::NameOf(projected.outcome)), " ", projected.reason));
}

// What the reconciler's job does (WHK-5): fetches the object and projects it. `only`: null for everybody.
void ConvergenceWorld::Drain(Tenant* only) {
  Flush();
  const db::Result jobs = database_.Admin(R"sql(
    UPDATE billing.outbox_jobs SET status = 'done', finished_at = billing.now()
    WHERE status = 'ready' AND job_type LIKE 'refresh\_%' AND ($1::uuid IS NULL OR entity_id = $1)
    RETURNING entity_id::text, payload::text
  )sql",
                                          {only == nullptr ? std::nullopt : std::optional(only->entity_id)});
  for (int n = 0; n < jobs.size(); ++n) {
    Tenant& tenant = *tenant_of_.at(jobs[n].Text(0));
    const auto order = outbox::ReadRefreshOrder(jobs[n].View(1));
    if (!order.ok()) Broken(absl::StrCat("a refresh job: ", order.status().ToString()));
    ++counts_.refreshes;
    const std::string id = WithoutSuffix(order->id, tenant.suffix);
    for (const auto& entry : present_) {
      if (entry.first.id == id) Project(tenant, {entry}, life_->present.date);
    }
  }
  FlushObjects();
}

// Until the worker finds nothing more and no refresh is promised.
void ConvergenceWorld::Quiesce() {
  for (int later = 0; later < 3; ++later) {
    if (!replica_.RunWorker(kMaxPasses)) Broken("the worker never becomes quiet");
    Drain(nullptr);
    ProjectUnbound();
    database_.SetClockOffset(kLater * (later + 1));
  }
}

// What couldn't be bound when it was fetched may be by now; whoever fetches comes again.
void ConvergenceWorld::ProjectUnbound() {
  for (Tenant& tenant : tenants_) {
    for (webhook::FetchedObject& fetched : tenant.unbound) fetched_.emplace_back(&tenant, std::move(fetched));
    tenant.unbound.clear();
  }
  FlushObjects();
}

// A parked event waits for a customer that nobody knows, or for what belongs to one: somebody who paid a link.
void ConvergenceWorld::NoteStuckEvents() {
  const db::Result rows = database_.Admin(R"sql(
    SELECT e.entity_id::text, e.type, e.status, coalesce(e.status_reason, ''), e.provider_event_id
    FROM billing.webhook_events e WHERE e.status IN ('pending', 'quarantined', 'failed', 'dead')
  )sql");
  for (int n = 0; n < rows.size(); ++n) {
    const std::string event_id = rows[n].Text(4);
    for (Tenant& tenant : tenants_) {
      if (!absl::EndsWith(event_id, tenant.suffix)) continue;
      tenant.troubles.push_back(absl::StrCat(rows[n].Text(1), " ", WithoutSuffix(event_id, tenant.suffix), " is ",
                                             rows[n].Text(2), " ", rows[n].Text(3)));
    }
  }
}

}  // namespace billmesh::convergence
