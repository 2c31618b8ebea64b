// The control API under /_sim/: for tests, JSON in and out, no authentication.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/shapes.h"
#include "tests/stripesim/simulator.h"

namespace stripesim {
namespace {

constexpr size_t kDefaultLedgerPage = 10'000;
constexpr size_t kMaxLedgerPage = 200'000;

HttpReply JsonReply(int status, const Json& body) {
  HttpReply reply;
  reply.status = status;
  reply.body = Dump(body);
  return reply;
}

HttpReply Problem(int status, const std::string& message) { return JsonReply(status, {{"error", message}}); }

Json QueryOf(const std::string& target) {
  const size_t question = target.find('?');
  Json query = Json::object();
  if (question == std::string::npos) return query;
  for (const FormPair& pair : ParseForm(std::string_view(target).substr(question + 1))) {
    query[pair.key] = pair.value;
  }
  return query;
}

int64_t QueryInt(const Json& query, const char* name, int64_t fallback) {
  const std::string text = Str(query, name);
  return text.empty() ? fallback : std::strtoll(text.c_str(), nullptr, 10);
}

std::vector<std::string> Segments(const std::string& target) {
  std::vector<std::string> out;
  const std::string path = target.substr(0, target.find('?'));
  for (size_t at = 1; at <= path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    out.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return out;
}

}  // namespace

HttpReply Simulator::HandleControl(const HttpRequest& request, std::unique_lock<std::mutex>& lock) {
  const std::vector<std::string> path = Segments(request.target);
  const std::string what = path.size() > 1 ? path[1] : "";
  const std::string route = request.method + " " + what;
  try {
    const Json query = QueryOf(request.target);
    Json body = Json::object();
    if (!request.body.empty()) body = Json::parse(request.body, nullptr, false);
    if (body.is_discarded()) return Problem(400, "the body is not JSON");
    world_.actor = Actor{"control", "", ""};

    if (route == "GET health") return JsonReply(200, {{"status", "ok"}});
    if (route == "GET clock" || route == "POST clock") {
      return JsonReply(200, request.method == "POST"
                                ? MoveClock(body)
                                : Json{{"now", world_.Now()}, {"offset_s", world_.clock.offset_s()}});
    }
    if (route == "GET ledger") {
      const auto limit =
          static_cast<size_t>(std::clamp<int64_t>(QueryInt(query, "limit", kDefaultLedgerPage), 1, kMaxLedgerPage));
      const auto since = static_cast<uint64_t>(std::max<int64_t>(0, QueryInt(query, "since", 0)));
      return JsonReply(200, {{"entries", world_.ledger.Read(Str(query, "kind"), since, limit)},
                             {"last_seq", world_.ledger.last_seq()}});
    }
    if (route == "GET summary") return JsonReply(200, Summary());
    if (route == "GET faults") return JsonReply(200, {{"rules", faults_.Describe()}});
    if (route == "DELETE faults") {
      faults_.Clear();
      return JsonReply(200, {{"rules", Json::array()}});
    }
    if (route == "POST faults") {
      const Json rules = body.is_array() ? body : Json::array({body});
      for (const Json& rule : rules) {
        if (const std::string wrong = faults_.Add(rule); !wrong.empty()) return Problem(400, wrong);
      }
      return JsonReply(200, {{"rules", faults_.Describe()}});
    }
    if (route == "GET held") return JsonReply(200, {{"held", held_.size()}});
    if (route == "DELETE held") {
      const auto released = std::exchange(held_, {});
      for (const auto& postponed : released) GoOn(postponed);
      return JsonReply(200, {{"released", released.size()}});
    }
    if (route == "GET events") return JsonReply(200, ControlEvents(query));
    if (route == "POST api_version") {
      const std::string version = Str(body, "version");
      if (!IsVersion(version)) return Problem(400, "version must be YYYY-MM-DD or YYYY-MM-DD.name");
      world_.account_version = version;
      return JsonReply(200, {{"version", version}});
    }
    if (route == "POST payment_behavior") {
      PaymentBehavior& behavior = world_.behavior[Str(body, "customer")];
      behavior.decline = Bool(body, "decline");
      if (Has(body, "decline_code")) behavior.decline_code = Str(body, "decline_code");
      if (Has(body, "final_status")) behavior.final_status = Str(body, "final_status");
      if (Has(body, "refund_status")) behavior.refund_status = Str(body, "refund_status");
      return JsonReply(200, {{"customer", Str(body, "customer")},
                             {"decline", behavior.decline},
                             {"final_status", behavior.final_status},
                             {"refund_status", behavior.refund_status}});
    }
    if (route == "POST sessions" && path.size() == 4) {
      return JsonReply(200, ControlSession(path[2], path[3], body));
    }
    if (route == "POST webhook_endpoints") {
      Object& endpoint = AddWebhookEndpoint(world_, Str(body, "url"), Str(body, "secret"), Str(body, "api_version"),
                                            Or(body, "enabled_events", Json::array({"*"})));
      endpoint.priv["thin"] = Bool(body, "thin");
      return JsonReply(200, {{"id", endpoint.id}, {"secret", endpoint.priv["secret"]}});
    }
    if (route == "POST disputes" || route == "POST refunds" || route == "POST payment_methods") {
      return JsonReply(200, ControlBank(what, path.size() > 2 ? path[2] : "", body));
    }
    if (what == "webhooks") {
      if (sender_ == nullptr) return Problem(409, "this simulator sends no webhooks");
      if (request.method == "GET") return JsonReply(200, sender_->Status());
      if (request.method == "DELETE") return JsonReply(200, {{"dropped", sender_->Drop()}});
      const std::string verb = path.size() > 2 ? path[2] : "";
      if (verb == "deliver") return JsonReply(200, Deliver(body));
      if (verb == "forge") return JsonReply(200, Forge(body, lock));
      sender_->Hold(Bool(body, "hold"));
      return JsonReply(200, sender_->Status());
    }
    return Problem(404, "no such control: " + request.method + " " + request.target);
  } catch (const ApiError& error) {
    return JsonReply(error.status, ErrorBody(error, "", world_.Now(), world_.options.livemode));
  } catch (const Json::exception& error) {
    return Problem(400, std::string("unexpected JSON: ") + error.what());
  }
}

Json Simulator::MoveClock(const Json& body) {
  const int64_t before = world_.Now();
  if (Has(body, "now")) world_.clock.Set(Int(body, "now"));
  world_.clock.Advance(Int(body, "advance_s"));
  RunDueTimers(world_);
  return Json{{"before", before}, {"now", world_.Now()}, {"offset_s", world_.clock.offset_s()}};
}

Json Simulator::Summary() {
  Json out = world_.ledger.Summary();
  Json open = Json::object();
  for (const auto& [customer, count] : world_.open_sessions) open[customer] = count;
  out["open_subscription_sessions_by_customer"] = std::move(open);
  out["max_open_subscription_sessions_per_customer"] = world_.max_open_sessions;
  out["objects"] = Json::object();
  for (const char* kind : {"customer", "product", "price", "checkout.session", "subscription", "invoice",
                           "payment_intent", "charge", "refund", "dispute", "credit_note", "payment_method"}) {
    out["objects"][kind] = world_.store.Count(kind);
  }
  out["events"] = world_.events.all().size();
  out["events_dropped"] = world_.events.dropped();
  out["idempotency_keys"] = idempotency_.size();
  out["account"] = world_.account_id;
  out["api_version"] = world_.account_version;
  out["now"] = world_.Now();
  return out;
}

Json Simulator::ControlSession(const std::string& id, const std::string& verb, const Json& body) {
  Object& session = Require(world_, "checkout.session", id);
  world_.actor = Actor{"page", "", Str(session.priv, "key")};
  if (verb == "pay") {
    PaySession(world_, session, {Str(body, "email"), Str(body, "name")});
  } else if (verb == "fail") {
    FailSession(world_, session, Has(body, "decline_code") ? Str(body, "decline_code") : "generic_decline");
  } else if (verb == "expire") {
    if (Str(session.json, "status") == "open") ExpireOpenSession(world_, session);
  } else {
    throw UnknownRoute("POST", "/_sim/sessions/" + id + "/" + verb);
  }
  Json answer = session.json;
  Render(answer, world_.account_version);
  return answer;
}

// What banks do, of which no request is the cause: disputes, refunds that succeed or fail later, cards that are
// renewed.
Json Simulator::ControlBank(const std::string& what, const std::string& id, const Json& body) {
  Json answer;
  if (what == "disputes") {
    if (id.empty()) {
      answer = OpenDispute(world_, Str(body, "charge"), Str(body, "reason"), Bool(body, "inquiry")).json;
    } else {
      Object& dispute = Require(world_, "dispute", id);
      MoveDispute(world_, dispute, Str(body, "status"));
      answer = dispute.json;
    }
  } else if (what == "refunds") {
    Object& refund = Require(world_, "refund", id);
    const std::string reason = Str(body, "failure_reason");
    SettleRefund(world_, refund, Str(body, "status"), reason.empty() ? "expired_or_canceled_card" : reason);
    answer = refund.json;
  } else {
    Object& method = Require(world_, "payment_method", id);
    Change change(world_, method);
    CopyParams(method.json["card"], body, {"exp_month", "exp_year", "last4"});
    change.Emit("payment_method.automatically_updated");
    answer = method.json;
  }
  Render(answer, world_.account_version);
  return answer;
}

// All events there are, oldest first, as any version shows them.
Json Simulator::ControlEvents(const Json& query) {
  const std::string shape = Str(query, "shape");
  const std::string object = Str(query, "object");
  const auto since = static_cast<uint64_t>(std::max<int64_t>(0, QueryInt(query, "since", 0)));
  const auto limit = static_cast<size_t>(std::max<int64_t>(1, QueryInt(query, "limit", 10'000)));
  Json data = Json::array();
  uint64_t last = since;
  for (const Event& event : world_.events.all()) {
    if (event.seq <= since || (!object.empty() && event.object_id != object)) continue;
    if (data.size() >= limit) break;
    data.push_back(RenderEvent(event, shape.empty() ? event.api_version : shape, world_.options.livemode));
    last = event.seq;
  }
  return Json{{"data", std::move(data)}, {"last_seq", last}};
}

}  // namespace stripesim
