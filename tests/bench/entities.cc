#include "tests/bench/entities.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace billmesh::bench {

void Die(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}

namespace {

// Entities of one call, so that none takes longer than a command may.
constexpr int kAtOnce = 50'000;

void MakeSome(testing::Mesh& mesh, int first, int count) {
  const std::string numbers = absl::StrCat("generate_series(", first, ", ", first + count - 1, ") AS g");
  mesh.Value(absl::StrCat(R"sql(
    BEGIN;
    INSERT INTO billing.entities (id, env, kind, ref, slug, display_name)
      SELECT md5('entity' || g)::uuid, 'test', 'workspace', 'bench-' || g, 'bench-' || g, 'Bench' FROM )sql",
                          numbers, R"sql(;
    INSERT INTO billing.entity_customers (id, entity_id, provider, provider_customer_id)
      SELECT md5('link' || g)::uuid, md5('entity' || g)::uuid, 'stripe', 'cus_bench' || g FROM )sql",
                          numbers, R"sql(;
    INSERT INTO billing.subscriptions (id, env, entity_id, provider, provider_subscription_id, provider_customer_id, status,
                                       is_current, provider_subscription_created_at, provider_updated_at, provider_event_id)
      SELECT md5('sub' || g)::uuid, 'test', md5('entity' || g)::uuid, 'stripe', 'sub_bench' || g, 'cus_bench' || g, 'active', true,
             '2026-01-01', '2026-01-01', 'evt_0' FROM )sql",
                          numbers, R"sql(;
    INSERT INTO billing.subscription_items (id, entity_id, subscription_id, provider, provider_item_id, provider_price_id, quantity,
                                            current_period_start, current_period_end)
      SELECT md5('item' || g)::uuid, md5('entity' || g)::uuid, md5('sub' || g)::uuid, 'stripe', 'si_bench' || g,
             (SELECT p.provider_price_id FROM billing.plan_prices p WHERE p.component = 'base' LIMIT 1), 1, '2026-01-01', '2036-01-01'
      FROM )sql",
                          numbers, R"sql(;
    COMMIT)sql"));
}

}  // namespace

void MakeEntities(testing::Mesh& mesh, int first, int count) {
  for (int done = 0; done < count; done += kAtOnce) MakeSome(mesh, first + done, std::min(kAtOnce, count - done));
  mesh.Value("ANALYZE billing.entities, billing.entity_customers, billing.subscriptions, billing.subscription_items");
}

void MakePayments(testing::Mesh& mesh, int count) {
  const std::string numbers = absl::StrCat("generate_series(0, ", count - 1, ") AS g");
  mesh.Value(absl::StrCat(R"sql(
    BEGIN;
    INSERT INTO billing.payments (id, env, entity_id, provider, provider_payment_id, provider_customer_id, status, currency,
                                  amount_minor, provider_created_at, provider_updated_at, provider_event_id)
      SELECT md5('payment' || g)::uuid, 'test', md5('entity' || g)::uuid, 'stripe', 'pi_old' || g, 'cus_bench' || g, 'succeeded',
             'eur', 100, '2026-01-01', '2026-01-01', 'evt_0' FROM )sql",
                          numbers, R"sql(;
    INSERT INTO billing.refunds (id, env, entity_id, provider, provider_refund_id, provider_payment_id, status, currency,
                                 amount_minor, provider_created_at, provider_updated_at, provider_event_id)
      SELECT md5('refund' || g)::uuid, 'test', md5('entity' || g)::uuid, 'stripe', 're_old' || g, 'pi_old' || g, 'succeeded', 'eur',
             100, '2026-01-01', '2026-01-01', 'evt_0' FROM )sql",
                          numbers, R"sql(;
    COMMIT)sql"));
  mesh.Value("ANALYZE billing.payments, billing.refunds");
}

std::string BasePrice(testing::Mesh& mesh) {
  return mesh.Value("SELECT p.provider_price_id FROM billing.plan_prices p WHERE p.component = 'base' LIMIT 1");
}

}  // namespace billmesh::bench
