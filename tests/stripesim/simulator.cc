#include "tests/stripesim/simulator.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/shapes.h"
#include "tests/stripesim/signature.h"

namespace stripesim {
namespace {

constexpr size_t kMaxLedgerParams = 16 * 1024;

int64_t MonotonicUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string DecodeBase64(const std::string& text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) break;
    bits = (bits << 6) | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return out;
}

std::string KeyOf(const std::string& authorization) {
  if (authorization.starts_with("Bearer ")) return authorization.substr(7);
  if (authorization.starts_with("Basic ")) {
    const std::string pair = DecodeBase64(authorization.substr(6));
    return pair.substr(0, pair.find(':'));
  }
  return "";
}

}  // namespace

std::string HttpRequest::Header(std::string_view name) const {
  const auto same = [&](const std::string& other) {
    if (other.size() != name.size()) return false;
    for (size_t i = 0; i < name.size(); ++i) {
      if ((other[i] | 0x20) != (name[i] | 0x20)) return false;
    }
    return true;
  };
  for (const auto& [header, value] : headers) {
    if (same(header)) return value;
  }
  return "";
}

// One API request on its way. Lives until it is answered, possibly over a delay.
struct Simulator::Pending {
  HttpRequest request;
  Responder respond;
  int64_t started_us = 0;
  int64_t delayed_us = 0;
  int64_t at = 0;
  std::string path;
  std::string query;
  std::string request_id;
  std::string version;
  std::string key;  // POST only
  std::string body_hash;
  std::vector<FormPair> pairs;
  Json raw = Json::object();
  Json params = Json::object();
  RouteMatch match;
  FaultSubject subject;
  std::string fault;
  bool key_begun = false;
  std::optional<bool> should_retry;  // by a fault rule
  std::optional<ApiError> malformed;
  Ledger::KeyUse key_use;
};

// A request that a rule of the stage kDelay keeps waiting.
struct Simulator::Postponed {
  std::shared_ptr<Pending> pending;
  std::optional<Answer> answer;  // of work that was done before the wait
  int64_t since_us = MonotonicUs();
  bool over = false;
};

Simulator::Simulator(const Options& options, std::function<int64_t()> wall)
    : world_(options, std::move(wall)),
      idempotency_(static_cast<size_t>(std::max<int64_t>(1, options.max_idempotency_keys))) {
  if (!options.schemas_file.empty()) schemas_ = SchemaSet(options.schemas_file);
  if (!options.webhook_url.empty()) {
    AddWebhookEndpoint(world_, options.webhook_url, options.webhook_secret, options.webhook_api_version,
                       Json::array({"*"}));
  }
  world_.deliver = [this](const Delivery& delivery) { Enqueue(delivery); };
}

void Simulator::Handle(const HttpRequest& request, const Responder& respond, const Scheduler& schedule) {
  if (request.target.starts_with("/v1/")) {
    HandleApi(request, respond, schedule);
    return;
  }
  HttpReply reply;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    RunDueTimers(world_);
    reply = request.target.starts_with("/_sim/") ? HandleControl(request, lock) : HandlePage(request);
  }
  respond(std::move(reply));
}

void Simulator::Tick() {
  std::lock_guard<std::mutex> lock(mutex_);
  RunDueTimers(world_);
}

void Simulator::DropHeld() {
  std::lock_guard<std::mutex> lock(mutex_);
  held_.clear();
}

void Simulator::SetSender(WebhookSender* sender) {
  std::lock_guard<std::mutex> lock(mutex_);
  sender_ = sender;
}

void Simulator::SetPageBaseUrl(const std::string& url) {
  std::lock_guard<std::mutex> lock(mutex_);
  world_.page_base_url = url;
}

void Simulator::HandleApi(const HttpRequest& request, const Responder& respond, const Scheduler& schedule) {
  auto pending = std::make_shared<Pending>();
  pending->request = request;
  pending->respond = respond;
  pending->started_us = MonotonicUs();
  const size_t question = request.target.find('?');
  pending->path = request.target.substr(0, question);
  if (question != std::string::npos) pending->query = request.target.substr(question + 1);
  if (request.method == "POST") pending->key = request.Header("Idempotency-Key");
  pending->subject = {request.method, pending->path, pending->key, "", ""};

  std::unique_lock<std::mutex> lock(mutex_);
  RunDueTimers(world_);
  pending->at = world_.Now();
  pending->request_id = world_.NewId("request");
  pending->version = request.Header("Stripe-Version");
  if (pending->version.empty()) pending->version = world_.account_version;
  std::optional<Fault> delay;
  ReadForm(*pending);
  try {
    if (!FrontFaults(*pending)) return;
    Authenticate(*pending);
    LimitRate();
    CheckRequest(*pending);
    Answer replay;
    if (BeginIdempotent(*pending, &replay)) {
      Complete(*pending, std::move(replay));
      return;
    }
    Validate(*pending);
    delay = faults_.Strike(FaultStage::kDelay, pending->subject, world_.ids);
  } catch (const ApiError& error) {
    Complete(*pending, Refuse(*pending, error));
    return;
  }
  if (delay) {
    Postpone(pending, *delay, schedule);
  } else {
    Complete(*pending, Execute(*pending));
  }
}

// The key stays in use meanwhile: a second request with it gets the 409 that Stripe gives.
void Simulator::Postpone(const std::shared_ptr<Pending>& pending, const Fault& fault, const Scheduler& schedule) {
  pending->fault = fault.action;
  auto postponed = std::make_shared<Postponed>();
  postponed->pending = pending;
  if (Str(fault.params, "at") == "after") postponed->answer = Execute(*pending);
  const bool held = fault.action == "hold";
  if (held) held_.push_back(postponed);
  schedule(held ? kMaxHeldMs : Int(fault.params, "ms", 1000), [this, postponed] {
    std::lock_guard<std::mutex> inner(mutex_);
    std::erase(held_, postponed);
    GoOn(postponed);
  });
}

void Simulator::GoOn(const std::shared_ptr<Postponed>& postponed) {
  if (std::exchange(postponed->over, true)) return;
  RunDueTimers(world_);
  Pending& pending = *postponed->pending;
  pending.delayed_us = MonotonicUs() - postponed->since_us;
  Complete(pending, postponed->answer ? *postponed->answer : Execute(pending));
}

bool Simulator::FrontFaults(Pending& pending) {
  const auto fault = faults_.Strike(FaultStage::kFront, pending.subject, world_.ids);
  if (!fault) return true;
  pending.fault = fault->action;
  if (fault->action == "reset_before" || fault->action == "timeout_before") {
    HttpReply reply;
    reply.fate = fault->action == "reset_before" ? HttpReply::Fate::kReset : HttpReply::Fate::kHold;
    reply.hold_ms = Int(fault->params, "hold_ms", kDefaultHoldMs);
    Answer none;
    none.status = 0;
    Record(pending, none, pending.fault);
    pending.respond(std::move(reply));
    return false;
  }
  if (Has(fault->params, "should_retry")) pending.should_retry = Bool(fault->params, "should_retry");
  if (fault->action == "error_429") {
    ApiError error = RateLimited();
    if (Has(fault->params, "code")) error.code = Str(fault->params, "code");  // lock_timeout
    throw error;
  }
  if (fault->action == "error_401") throw Unauthorized("Invalid API Key provided: sk_test_****");
  if (fault->action == "error_403") {
    throw Forbidden("The provided key does not have the required permissions for this endpoint.");
  }
  if (fault->action == "error_409") throw IdempotencyKeyInUse(pending.key);
  throw Invalid("parameter_invalid_string_empty", "fault", "Refused by a fault rule.");
}

void Simulator::Authenticate(const Pending& pending) const {
  const std::string key = KeyOf(pending.request.Header("Authorization"));
  if (key.empty()) {
    throw Unauthorized(
        "You did not provide an API key. You need to provide your API key in the Authorization "
        "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
        "https://stripe.com/docs/api#authentication for details.");
  }
  const std::string& expected = world_.options.secret_key;
  const std::string mode = world_.options.livemode ? "live_" : "test_";
  const bool good = expected.empty() ? key.starts_with("sk_" + mode) || key.starts_with("rk_" + mode) : key == expected;
  if (good) return;
  std::string shown = key.substr(0, std::min<size_t>(8, key.size())) + "****";
  if (key.size() > 16) shown += key.substr(key.size() - 4);
  throw Unauthorized("Invalid API Key provided: " + shown);
}

void Simulator::LimitRate() {
  const int64_t limit = world_.options.rate_limit_per_s;
  if (limit <= 0) return;
  const int64_t second = MonotonicUs() / 1'000'000;
  if (second != rate_second_) rate_count_ = 0;
  rate_second_ = second;
  if (++rate_count_ > limit) throw RateLimited();
}

// Before anything else, so that the ledger knows the body of requests that get no further.
void Simulator::ReadForm(Pending& pending) {
  try {
    pending.pairs = ParseForm(pending.query);
    if (pending.request.method == "POST") {
      for (FormPair& pair : ParseForm(pending.request.body)) {
        pending.pairs.push_back(std::move(pair));
      }
    }
    pending.raw = NestForm(pending.pairs);
  } catch (const ApiError& error) {
    pending.malformed = error;
  }
  pending.body_hash = Sha256Hex(CanonicalForm(pending.pairs));
  if (pending.key.empty() || pending.key.size() > kMaxIdempotencyKey) return;
  pending.key_use = world_.ledger.NoteKey(pending.key, pending.path + "\n" + pending.body_hash, world_.Now());
}

void Simulator::CheckRequest(Pending& pending) const {
  if (!IsVersion(pending.version)) {
    throw Invalid("", "", "Invalid Stripe API version: " + pending.version);
  }
  if (pending.key.size() > kMaxIdempotencyKey) {
    throw Invalid("", "", "Idempotency-Key can have up to 255 characters.");
  }
  pending.match = FindRoute(pending.request.method, pending.path);
  const std::string type = pending.request.Header("Content-Type");
  if (pending.request.method == "POST" && !pending.request.body.empty() && !type.empty() &&
      !type.starts_with("application/x-www-form-urlencoded")) {
    throw Invalid("", "",
                  "Invalid request: the body must be form-encoded "
                  "(application/x-www-form-urlencoded).");
  }
  if (pending.malformed) throw *pending.malformed;
  if (pending.match.route == nullptr) throw UnknownRoute(pending.request.method, pending.path);
}

bool Simulator::BeginIdempotent(Pending& pending, Answer* answer) {
  if (pending.key.empty()) return false;
  const StoredAnswer* stored = idempotency_.Begin(pending.key, pending.path, pending.body_hash, world_.Now());
  if (stored == nullptr) {
    pending.key_begun = true;
    return false;
  }
  answer->status = stored->status;
  answer->body = stored->body;
  answer->original_request = stored->request_id;
  answer->replayed = true;
  // Asking again can only bring the same.
  if (stored->status >= 500) answer->should_retry = false;
  return true;
}

void Simulator::Validate(Pending& pending) {
  const Route& route = *pending.match.route;
  // The schemas are of one version; older ones differ.
  if (!schemas_.empty() && pending.version == kNewestVersion) {
    try {
      schemas_.Check(route.operation, pending.raw);
    } catch (const ApiError& error) {
      world_.ledger.Count("schema_violations");
      pending.fault = "schema_violation";
      throw;
    }
  }
  pending.params = CheckParams(*route.spec, pending.raw, pending.version);
}

Simulator::Answer Simulator::Execute(Pending& pending) {
  World& w = world_;
  w.actor = Actor{"api", pending.request_id, pending.key};
  std::optional<Fault> fault;
  Answer answer;
  answer.store = true;
  try {
    fault = faults_.Strike(FaultStage::kExecute, pending.subject, w.ids);
    if (fault) pending.fault = fault->action;
    if (fault && fault->action == "error_402") {
      throw CardDeclined(Has(fault->params, "decline_code") ? Str(fault->params, "decline_code") : "generic_decline",
                         "");
    }
    if (fault && fault->action == "error_500_before") throw InternalError();
    Call call{w, pending.params, pending.match.ids, pending.version};
    Json object = pending.match.route->handler(call);
    Expand(call, object);
    // Events come as the version of their creation; everything else as the request's.
    const bool events = pending.path.starts_with("/v1/events");
    if (!events) Render(object, pending.version);
    answer.body = Dump(object);
    if (fault && fault->action == "error_500_after") throw InternalError();
  } catch (const ApiError& thrown) {
    ApiError error = thrown;
    if (fault && error.status >= 500) {
      error.status = static_cast<int>(Int(fault->params, "status", error.status));
    }
    answer = Refuse(pending, error);
  }
  if (fault && Has(fault->params, "stored")) answer.store = Bool(fault->params, "stored");
  if (fault && Has(fault->params, "should_retry")) {
    answer.should_retry = Bool(fault->params, "should_retry");
  }
  w.actor = Actor{};
  return answer;
}

Simulator::Answer Simulator::Refuse(const Pending& pending, const ApiError& error) const {
  Answer answer;
  answer.status = error.status;
  answer.body = Dump(ErrorBody(error, pending.request_id, pending.at, world_.options.livemode));
  answer.error_code = error.code.empty() ? error.type : error.code;
  answer.store = !error.before_execution;
  if (error.code == "idempotency_key_in_use" || error.code == "lock_timeout") {
    answer.should_retry = true;
  }
  if (error.type == "idempotency_error") answer.should_retry = false;
  if (pending.should_retry) answer.should_retry = pending.should_retry;
  return answer;
}

void Simulator::Complete(Pending& pending, Answer answer) {
  if (pending.key_begun) {
    if (answer.store) {
      idempotency_.Finish(pending.key, {answer.status, answer.body, pending.request_id});
    } else {
      idempotency_.Forget(pending.key);
    }
  }
  const auto fault = faults_.Strike(FaultStage::kReply, pending.subject, world_.ids);
  if (fault) pending.fault = fault->action;
  Record(pending, answer, pending.fault);

  HttpReply reply;
  reply.status = answer.status;
  reply.body = std::move(answer.body);
  reply.headers = {{"Request-Id", pending.request_id},
                   {"Stripe-Version", pending.version},
                   {"Date", HttpDate(world_.Now())},
                   {"Cache-Control", "no-cache, no-store"}};
  if (!pending.key.empty()) {
    reply.headers.emplace_back("Idempotency-Key", pending.key.substr(0, kMaxIdempotencyKey));
    reply.headers.emplace_back("Original-Request",
                               answer.original_request.empty() ? pending.request_id : answer.original_request);
  }
  if (answer.replayed) reply.headers.emplace_back("Idempotent-Replayed", "true");
  if (answer.should_retry) {
    reply.headers.emplace_back("Stripe-Should-Retry", *answer.should_retry ? "true" : "false");
  }
  if (fault && fault->action == "reset_after") reply.fate = HttpReply::Fate::kReset;
  if (fault && fault->action == "timeout_after") {
    reply.fate = HttpReply::Fate::kHold;
    reply.hold_ms = Int(fault->params, "hold_ms", kDefaultHoldMs);
  }
  if (fault && fault->action == "wrong_content_type") {
    reply.content_type = "text/html";
    reply.body = "<html><body>Service temporarily unavailable</body></html>";
    reply.status = static_cast<int>(Int(fault->params, "status", 200));
  }
  pending.respond(std::move(reply));
}

void Simulator::Record(const Pending& pending, const Answer& answer, const std::string& fault) {
  Ledger& ledger = world_.ledger;
  const bool post = pending.request.method == "POST";
  const int64_t duration_us = MonotonicUs() - pending.started_us - pending.delayed_us;
  ledger.CountRequest(post && pending.key.empty(), duration_us + pending.delayed_us);
  if (!fault.empty()) ledger.Count("faults");
  if (answer.replayed) ledger.Count("replays");
  if (answer.error_code == "idempotency_key_in_use") ledger.Count("idempotency_conflicts");
  if (answer.error_code == "idempotency_error") ledger.Count("idempotency_mismatches");
  Json params = pending.raw;
  if (pending.request.body.size() > kMaxLedgerParams) params = "(too long)";
  ledger.Append("request", {{"at", world_.Now()},
                            {"method", pending.request.method},
                            {"path", pending.path},
                            {"operation", pending.match.route == nullptr ? "" : pending.match.route->operation},
                            {"version", pending.version},
                            {"idempotency_key", pending.key},
                            {"body_sha256", pending.body_hash},
                            {"params", std::move(params)},
                            {"status", answer.status},
                            {"error", answer.error_code},
                            {"replayed", answer.replayed},
                            {"first_use", pending.key_use.first},
                            {"same_body", pending.key_use.same_body},
                            {"key_age_s", pending.key_use.age_s},
                            {"request_id", pending.request_id},
                            {"fault", fault},
                            {"duration_us", duration_us + pending.delayed_us}});
}

}  // namespace stripesim
