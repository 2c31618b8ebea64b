#include "common/stripe/client.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/lease/backoff.h"
#include "common/provider/object_format.h"
#include "common/status/status.h"
#include "common/stripe/client_endpoints.h"
#include "common/stripe/form.h"
#include "common/stripe/whole_items.h"
#include "common/telemetry/metrics.h"
#include "nlohmann/json.hpp"
#include "simdjson.h"

namespace billmesh::stripe {
namespace {

using http::TransportFailure;
using provider::CallOptions;
using provider::CallResult;
using provider::Outcome;

constexpr char kResourceMissing[] = "resource_missing";
constexpr int kMaxListLimit = 100;

std::string OutcomeLabel(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess:
      return "success";
    case Outcome::kRejected:
      return "rejected";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "unknown";
}

// A fault of ours, found before anything was sent.
CallResult NeverSent(std::string_view why) {
  CallResult result;
  result.outcome = Outcome::kUnknown;
  result.error_message = std::string(why);
  return result;
}

std::string Member(const simdjson::dom::element& object, const char* name) {
  std::string_view value;
  return object[name].get(value) == simdjson::SUCCESS ? std::string(value) : "";
}

// Where a frozen call goes, and the parameters without what stands in the path.
struct Target {
  std::string path;
  std::string params_json;
};

absl::StatusOr<Target> ReadTarget(const WriteEndpoint& endpoint, std::string_view frozen_json) {
  ASSIGN_OR_RETURN(nlohmann::json params, json::Parse(frozen_json));
  const auto object = params.find(kObjectMember);
  if (endpoint.TakesObject() != (object != params.end())) {
    return absl::InvalidArgumentError(endpoint.TakesObject() ? "the call doesn't say which object it changes"
                                                             : "the call names an object, and makes one");
  }
  if (!endpoint.TakesObject()) return Target{std::string(endpoint.path), std::string(frozen_json)};
  if (!object->is_string()) return absl::InvalidArgumentError("the object's id is no text");
  Target target;
  ASSIGN_OR_RETURN(target.path, FillPath(endpoint.path, object->get_ref<const std::string&>()));
  params.erase(object);
  ASSIGN_OR_RETURN(target.params_json, json::Canonical(params));
  return target;
}

// What came back, as the tables of client_outcome.h want it, and the provider's words in `result`.
Answer ReadAnswer(const http::ClientResult& sent, CallResult& result) {
  Answer answer;
  answer.transport = sent.failure;
  result = CallResult();
  if (sent.failure != TransportFailure::kNone) {
    result.error_message = sent.error;
    return answer;
  }
  const http::ClientResponse& response = sent.response;
  answer.status = result.http_status = response.status;
  result.request_id = std::string(response.Header("request-id"));
  const std::string date(response.Header("date"));
  absl::Time dated;
  if (absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", date, &dated, nullptr)) {
    result.provider_date = dated;
  }
  const std::string_view retry = response.Header("stripe-should-retry");
  if (retry == "true" || retry == "false") answer.should_retry = retry == "true";
  result.replayed = response.Header("idempotent-replayed") == "true";
  answer.has_retry_after = !response.Header("retry-after").empty();

  simdjson::dom::parser parser;
  simdjson::dom::element body;
  if (parser.parse(response.body).get(body) != simdjson::SUCCESS || !body.is_object()) return answer;
  answer.readable = true;
  simdjson::dom::element error;
  if (body["error"].get(error) == simdjson::SUCCESS && error.is_object()) {
    result.error_type = Member(error, "type");
    result.error_code = Member(error, "code");
    result.error_param = Member(error, "param");
    result.error_message = Member(error, "message");
    answer.error_type = ParseErrorType(result.error_type);
  }
  return answer;
}

void ReallySleep(absl::Duration d) { std::this_thread::sleep_for(absl::ToChronoMicroseconds(d)); }

absl::Duration RetryAfter(const http::ClientResponse& response) {
  int64_t seconds = 0;
  const std::string value(response.Header("retry-after"));
  return absl::SimpleAtoi(value, &seconds) && seconds > 0 ? absl::Seconds(seconds) : absl::ZeroDuration();
}

}  // namespace

StripeProvider::StripeProvider(ClientOptions options, Clock& clock, IdGenerator& ids)
    : options_([&options] {
        if (!options.sleep) options.sleep = ReallySleep;
        return std::move(options);
      }()),
      clock_(clock),
      ids_(ids),
      http_({.max_connections = options_.max_connections}),
      gate_(options_.max_connections) {}

absl::StatusOr<provider::Provenance> StripeProvider::GetProvenance() {
  const std::string key_hash = crypto::Sha256Hex(options_.secret_key());
  std::string account_id;
  {
    std::lock_guard lock(mutex_);
    if (account_key_hash_ == key_hash) account_id = account_id_;
  }
  if (account_id.empty()) {
    const CallResult result = Perform({.endpoint = kAccountPath, .method = "GET", .target = std::string(kAccountPath)},
                                      {.timeout = options_.account_timeout});
    simdjson::dom::parser parser;
    simdjson::dom::element account;
    if (result.outcome == Outcome::kSuccess && parser.parse(result.object_json).get(account) == simdjson::SUCCESS) {
      account_id = Member(account, "id");
    }
    if (account_id.empty()) {
      return Fail(Reason::FAILURE_REASON_PROVIDER_UNAVAILABLE,
                  "the provider didn't say which account the key belongs to",
                  {{"outcome", OutcomeLabel(result.outcome)}});
    }
    std::lock_guard lock(mutex_);
    account_key_hash_ = key_hash;
    account_id_ = account_id;
  }
  return provider::Provenance{kProviderName, kApiVersion, account_id, kClientName, kClientVersion};
}

CallResult StripeProvider::Send(const provider::FrozenCall& call, const CallOptions& options) {
  const WriteEndpoint endpoint = WriteEndpointOf(call.purpose);
  if (endpoint.path.empty()) return NeverSent(absl::StrCat("no endpoint does ", call.purpose));
  // A POST without a key could be done twice (invariant 3): it isn't sent.
  if (call.idempotency_key.empty()) return NeverSent("a write needs its idempotency key");
  auto target = ReadTarget(endpoint, call.params_json);
  if (!target.ok()) return NeverSent(StdView(target.status().message()));
  auto form = EncodeForm(target->params_json);
  if (!form.ok()) return NeverSent(StdView(form.status().message()));
  Call out{.endpoint = endpoint.path,
           .method = std::string(endpoint.method),
           .target = std::move(target->path),
           .idempotency_key = call.idempotency_key,
           .may_have_been_sent = call.may_have_been_sent};
  if (endpoint.method == "POST") {
    out.body = *std::move(form);
  } else if (!form->empty()) {
    absl::StrAppend(&out.target, "?", *form);
  }
  return Perform(out, options);
}

CallResult StripeProvider::Retrieve(std::string_view kind, std::string_view id, const CallOptions& options) {
  const std::string_view path = RetrievePath(kind);
  if (path.empty()) return NeverSent(absl::StrCat("no endpoint retrieves ", AbslView(kind)));
  auto target = FillPath(path, id);
  if (!target.ok()) return NeverSent(StdView(target.status().message()));
  const absl::Duration give_up = clock_.Monotonic() + options.timeout;
  CallResult result = Perform({.endpoint = path, .method = "GET", .target = *std::move(target)}, options);
  const bool part =
      kind == provider::kSubscriptionKind && result.outcome == Outcome::kSuccess && HasMoreItems(result.object_json);
  if (!part) return result;
  CallOptions rest = options;
  rest.timeout = std::max(give_up - clock_.Monotonic(), absl::ZeroDuration());
  return WithAllItems(std::move(result), id, rest);
}

// The answer stays dated by its first part, so that what changes between the two is never taken for older than it is.
CallResult StripeProvider::WithAllItems(CallResult subscription, std::string_view id, const CallOptions& options) {
  CallResult items = List(kSubscriptionItemKind, {.filters = {{"subscription", std::string(id)}}}, options);
  if (items.outcome != Outcome::kSuccess) return items;
  auto whole = WithItems(subscription.object_json, items.object_json);
  if (!whole.ok()) return NeverSent(StdView(whole.status().message()));
  subscription.object_json = *std::move(whole);
  return subscription;
}

CallResult StripeProvider::List(std::string_view kind, const provider::ListQuery& query, const CallOptions& options) {
  const std::string_view path = ListPath(kind);
  if (path.empty()) return NeverSent(absl::StrCat("no endpoint lists ", AbslView(kind)));
  std::map<std::string, std::string> parameters;
  for (const auto& [filter, value] : query.filters) {
    const std::string_view name = FilterName(filter);
    if (name.empty()) return NeverSent(absl::StrCat("no such filter: ", filter));
    parameters[std::string(name)] = value;
  }
  parameters["limit"] = std::to_string(std::clamp(query.limit, 1, kMaxListLimit));
  if (!query.starting_after.empty()) parameters["starting_after"] = query.starting_after;
  return Perform(
      {.endpoint = path, .method = "GET", .target = absl::StrCat(AbslView(path), "?", EncodeQuery(parameters))},
      options);
}

CallResult StripeProvider::ExpireCheckoutSession(std::string_view id, std::string_view idempotency_key,
                                                 const CallOptions& options) {
  auto target = FillPath(kExpireSessionPath, id);
  if (!target.ok()) return NeverSent(StdView(target.status().message()));
  if (idempotency_key.empty()) return NeverSent("an expiry needs its idempotency key");
  return Perform({.endpoint = kExpireSessionPath,
                  .method = "POST",
                  .target = *std::move(target),
                  .idempotency_key = std::string(idempotency_key)},
                 options);
}

CallResult StripeProvider::Perform(const Call& call, const CallOptions& options) {
  const absl::Duration started = clock_.Monotonic();
  CallResult result = SendUntilSettled(call, options);
  const std::string endpoint(call.endpoint);
  telemetry::GetCounter("billmesh_provider_calls_total", "Calls to the payment provider by outcome",
                        {{"provider", kProviderName},
                         {"method", call.method},
                         {"endpoint", endpoint},
                         {"outcome", OutcomeLabel(result.outcome)}})
      .Add();
  telemetry::GetHistogram("billmesh_provider_call_seconds",
                          "Calls to the payment provider, waiting and retries included",
                          {{"provider", kProviderName}, {"method", call.method}, {"endpoint", endpoint}})
      .Observe(absl::ToDoubleSeconds(clock_.Monotonic() - started));
  return result;
}

CallResult StripeProvider::SendUntilSettled(const Call& call, const CallOptions& options) {
  const absl::Duration give_up = std::min(clock_.Monotonic() + options.timeout, options.not_after);
  const CallGate::Place place = gate_.Enter(options.priority, options.timeout);
  if (!place) return NeverSent("no place for the call within its timeout");
  const bool is_write = call.method != "GET";
  bool earlier_unknown = is_write && call.may_have_been_sent;
  bool may_still_run = false;  // a sending of this call that got no answer
  CallResult result = NeverSent("no time left for the call");
  for (int attempt = 1; clock_.Monotonic() < give_up; ++attempt) {
    http::ClientRequest request = MakeRequest(call);
    request.timeout = give_up - clock_.Monotonic();
    const http::ClientResult sent = http_.Send(request);
    // The transport sent it twice, and this is the answer to the second sending only.
    if (is_write && sent.sent_again) earlier_unknown = may_still_run = true;
    const Answer answer = ReadAnswer(sent, result);
    result.outcome = ClassifyAnswer(answer, earlier_unknown);
    result.refused = ClassifyAnswer(answer, may_still_run) == Outcome::kRejected;
    result.tried = true;
    WatchApiVersion(sent.response);
    if (result.outcome == Outcome::kSuccess) result.object_json = sent.response.body;
    result.not_found =
        result.outcome == Outcome::kRejected && answer.status == 404 && result.error_code == kResourceMissing;
    if (result.outcome != Outcome::kUnknown) return result;
    // What never left can't have had an effect; anything else may have.
    if (is_write && sent.failure != TransportFailure::kNotSent) {
      earlier_unknown = true;
      may_still_run = may_still_run || sent.failure != TransportFailure::kNone;
    }
    if (!ShouldRetry(answer) || attempt >= options_.max_attempts) return result;
    const absl::Duration wait = std::max(
        lease::DelayAfter({options_.backoff_base, options_.backoff_max}, attempt, ids_), RetryAfter(sent.response));
    if (clock_.Monotonic() + wait >= give_up) return result;
    options_.sleep(wait);
  }
  return result;
}

http::ClientRequest StripeProvider::MakeRequest(const Call& call) const {
  http::ClientRequest request;
  request.method = call.method;
  request.url = absl::StrCat(options_.api_base, call.target);
  request.headers = {{"Authorization", absl::StrCat("Bearer ", options_.secret_key())},
                     {"Stripe-Version", kApiVersion},
                     {"User-Agent", absl::StrCat(kClientName, "/", kClientVersion)},
                     {"Accept", "application/json"}};
  if (call.method == "POST") {
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.headers.emplace_back("Idempotency-Key", call.idempotency_key);
    request.body = call.body;
  }
  return request;
}

// The provider echoes the version that it answered in. Another one than ours means that objects may
// have another shape than our readers believe.
void StripeProvider::WatchApiVersion(const http::ClientResponse& response) {
  const std::string_view answered = response.Header("stripe-version");
  if (answered.empty() || answered == kApiVersion) return;
  telemetry::Guardrail("BILLING_STRIPE_SDK_API_BASELINE_DRIFT",
                       {{"pinned", kApiVersion}, {"answered", std::string(answered)}});
}

}  // namespace billmesh::stripe
