// Use cases of CatalogService: what is sold, and changing it. Owns the transaction boundaries. Thread safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/identity.h"
#include "common/catalog/plan.h"
#include "common/db/pool.h"
#include "common/ids/id_generator.h"
#include "common/provider/payment_provider.h"
#include "common/provider/price_format.h"
#include "common/time/clock.h"
#include "services/checkout/catalog_diff.h"
#include "services/checkout/catalog_item_diff.h"

namespace billmesh::checkout {

// One change in words, without pointers into what it was computed from. One of the codes is empty.
struct ReportedChange {
  CatalogAction action;
  std::string plan_code;
  std::string item_code;
  std::string detail;
};

struct ApplyReport {
  // The plans', then the items'.
  std::vector<ReportedChange> changes;
  // Whether this call wrote anything: false for a dry run and for a file that is applied already.
  bool applied = false;
};

class CatalogService {
 public:
  // All must outlive the service.
  struct Deps {
    db::Pool& pool;
    IdGenerator& ids;
    Clock& clock;
    provider::PaymentProvider& provider;
    const provider::PriceFormat& prices;
    std::string env;
    std::string currency;  // BILLING_CURRENCY
  };
  explicit CatalogService(Deps deps) : deps_(std::move(deps)) {}

  // The whole catalog, inactive plans and those with invalid payloads included (these raised their guardrail).
  absl::StatusOr<catalog::Catalog> Load();

  // The catalog as a file that can be applied and then changes nothing (catalog::WriteFile). CATALOG_INVALID where
  // what is stored isn't what was published, so that no file says it.
  absl::StatusOr<std::string> Export();

  // CAT-4: reads the file, compares it with what is stored, verifies the prices at the provider with no transaction
  // open, and, unless it is a dry run, compares again and writes all of it in one transaction with its audit row.
  // Errors: CATALOG_INVALID, ALREADY_EXISTS, PROVIDER_UNAVAILABLE, DEADLINE_EXCEEDED; nothing is written then.
  absl::StatusOr<ApplyReport> Apply(const auth::Caller& caller, std::string_view yaml, bool dry_run,
                                    absl::Duration deadline_monotonic);

 private:
  // All that applying a file would change.
  struct Changes {
    std::vector<CatalogChange> plans;
    std::vector<ItemChange> items;
  };
  static absl::StatusOr<Changes> Diff(const catalog::File& file, const catalog::Catalog& stored);
  static bool Any(const Changes& changes);
  static std::vector<ReportedChange> ReportOf(const Changes& changes);
  absl::StatusOr<ApplyReport> Write(db::Tx& tx, const auth::Caller& caller, const catalog::File& file);
  absl::Status WriteItems(db::Tx& tx, const std::vector<ItemChange>& changes);
  absl::Status Audit(db::Tx& tx, const auth::Caller& caller, const Changes& changes, const catalog::Catalog& before,
                     int64_t revision);
  Deps deps_;
};

}  // namespace billmesh::checkout
