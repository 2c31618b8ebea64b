#include "services/webhook/event_fetcher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/lease/lease.h"
#include "common/status/strings.h"
#include "services/webhook/event_rules.h"

namespace billmesh::webhook {
namespace {

// Of one object, retries included; less where the lease leaves less.
constexpr absl::Duration kFetchTimeout = absl::Seconds(15);

Fetch Later(std::string why) { return {Fetch::Outcome::kLater, {}, std::move(why)}; }

}  // namespace

Fetch EventFetcher::FetchObject(std::string_view kind, const std::string& id, absl::Duration deadline_monotonic) const {
  const absl::Duration timeout = lease::CallTime(deadline_monotonic, deps_.clock.Monotonic(), kFetchTimeout);
  if (timeout == absl::ZeroDuration()) return Later("too little of the lease was left to begin");
  const provider::CallResult result =
      deps_.provider.Retrieve(kind, id, {.timeout = timeout, .priority = provider::Priority::kBackground});
  if (result.not_found) return {Fetch::Outcome::kFetched, {}, ""};
  if (result.outcome != provider::Outcome::kSuccess) {
    return Later(absl::StrCat("the provider didn't say, HTTP ", result.http_status));
  }
  // WHK-5: only the provider's Date orders what was fetched among events.
  if (!result.provider_date.has_value()) return Later("the provider's answer has no Date");
  auto object = deps_.source.ReadObject(kind, result.object_json);
  if (!object.ok()) {
    return {Fetch::Outcome::kBroken, {}, absl::StrCat("object_malformed: ", object.status().message())};
  }
  return {
      Fetch::Outcome::kFetched, {*std::move(object), FetchedVersion(*result.provider_date, result.object_json)}, ""};
}

}  // namespace billmesh::webhook
