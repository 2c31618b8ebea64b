#include "common/outbox/refresh_job.h"

#include "absl/strings/str_cat.h"
#include "common/json/json.h"
#include "common/status/status.h"
#include "nlohmann/json.hpp"

namespace billmesh::outbox {
namespace {

// By then the provider's clock shows the next second, unless ours is off; the job sees to that.
constexpr absl::Duration kDelay = absl::Seconds(2);

absl::Status Missing(const char* member) {
  return Fail(Reason::FAILURE_REASON_DATA_INVALID, absl::StrCat("payload: ", member, " is missing"));
}

}  // namespace

NewJob RefreshJob(std::string_view env, std::string_view entity_id, const RefreshOrder& order) {
  const int64_t after = absl::ToUnixSeconds(order.after);
  return {.env = std::string(env),
          .entity_id = std::string(entity_id),
          .job_type = absl::StrCat(kRefreshPrefix, order.kind),
          .dedupe_key = absl::StrCat(kRefreshPrefix, order.kind, ":", order.id, ":", after),
          .payload_json = nlohmann::json{{"kind", order.kind}, {"id", order.id}, {"after", after}}.dump(),
          .delay = kDelay};
}

absl::StatusOr<RefreshOrder> ReadRefreshOrder(std::string_view payload_json) {
  ASSIGN_OR_RETURN(const nlohmann::json payload, json::Parse(payload_json));
  RefreshOrder order;
  for (const auto& [member, out] : {std::pair{"kind", &order.kind}, std::pair{"id", &order.id}}) {
    const auto at = payload.find(member);
    if (at == payload.end() || !at->is_string() || at->get_ref<const std::string&>().empty()) return Missing(member);
    *out = at->get<std::string>();
  }
  const auto after = payload.find("after");
  if (after == payload.end() || !after->is_number_integer()) return Missing("after");
  order.after = absl::FromUnixSeconds(after->get<int64_t>());
  return order;
}

}  // namespace billmesh::outbox
