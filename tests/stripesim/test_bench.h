#pragma once

// For the simulator's own tests: a simulator without sockets, on a clock that stands still.

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/stripesim/simulator.h"

namespace stripesim {

inline constexpr int64_t kTestNow = 1'800'000'000;

struct Reply {
  int status = 0;
  Json json;
  HttpReply http;

  std::string Header(const std::string& name) const {
    for (const auto& [header, value] : http.headers) {
      if (header == name) return value;
    }
    return "";
  }
  std::string Code() const { return Str(At(json, "error"), "code"); }
  std::string Type() const { return Str(At(json, "error"), "type"); }
};

struct Extra {
  std::string key;
  std::string version = "";
  std::string authorization = "Bearer sk_test_bench";
};

class TestBench {
 public:
  explicit TestBench(Options options = {}) : simulator(Seeded(options), [this] { return wall; }) {}

  // Sends it; the answer is in `replies` once there is one. Returns its place there.
  size_t Send(const std::string& method, const std::string& target, const std::string& body = "",
              const Extra& extra = Extra()) {
    HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    request.headers = {{"authorization", extra.authorization}};
    if (!extra.key.empty()) request.headers.emplace_back("Idempotency-Key", extra.key);
    if (!extra.version.empty()) request.headers.emplace_back("Stripe-Version", extra.version);
    const size_t place = replies.size();
    replies.emplace_back();
    simulator.Handle(
        request,
        [this, place](HttpReply http) {
          Reply reply;
          reply.status = http.status;
          reply.json = Json::parse(http.body, nullptr, false);
          reply.http = std::move(http);
          replies[place] = std::move(reply);
        },
        [this](int64_t ms, std::function<void()> run) { scheduled.emplace_back(ms, std::move(run)); });
    return place;
  }

  Reply Do(const std::string& method, const std::string& target, const std::string& body = "",
           const Extra& extra = Extra()) {
    return replies[Send(method, target, body, extra)].value();
  }
  Reply Get(const std::string& target) { return Do("GET", target); }
  Reply Post(const std::string& target, const std::string& body = "", const Extra& extra = Extra()) {
    return Do("POST", target, body, extra);
  }
  Json Control(const std::string& method, const std::string& what, const Json& body = Json()) {
    return Do(method, "/_sim/" + what, body.is_null() ? "" : body.dump()).json;
  }
  void Fault(const std::string& action, const Json& match, Json more = Json::object()) {
    more["action"] = action;
    more["match"] = match;
    Control("POST", "faults", more);
  }
  void Advance(int64_t seconds) { Control("POST", "clock", {{"advance_s", seconds}}); }

  std::string Customer() { return Str(Post("/v1/customers", "email=a%40example.com").json, "id"); }
  std::string Price(const std::string& more = "&recurring[interval]=month", int64_t amount = 2000) {
    return Str(
        Post("/v1/prices", "currency=usd&product_data[name]=Pro&unit_amount=" + std::to_string(amount) + more).json,
        "id");
  }
  std::string Session(const std::string& customer, const std::string& price, const std::string& more = "",
                      const Extra& extra = Extra()) {
    return Str(Post("/v1/checkout/sessions",
                    "mode=subscription&customer=" + customer + "&line_items[0][price]=" + price +
                        "&line_items[0][quantity]=1&success_url=http://localhost/ok" + more,
                    extra)
                   .json,
               "id");
  }
  // A subscription bought on the page.
  Json Subscribed(const std::string& more = "") {
    const std::string session = Session(Customer(), Price(), more);
    Control("POST", "sessions/" + session + "/pay");
    const std::string id = Str(Get("/v1/checkout/sessions/" + session).json, "subscription");
    return Get("/v1/subscriptions/" + id).json;
  }
  std::vector<std::string> EventTypes(const std::string& object = "") {
    std::vector<std::string> types;
    const Json events = Control("GET", "events?object=" + object);
    for (const Json& event : events["data"]) types.push_back(Str(event, "type"));
    return types;
  }

  int64_t wall = kTestNow;
  std::deque<std::pair<int64_t, std::function<void()>>> scheduled;
  std::vector<std::optional<Reply>> replies;
  Simulator simulator;

 private:
  static Options Seeded(Options options) {
    if (!options.seed) options.seed = 1;
    return options;
  }
};

}  // namespace stripesim
