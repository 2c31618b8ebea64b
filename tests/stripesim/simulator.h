#pragma once

// The simulator without its sockets: takes HTTP requests, gives HTTP answers. Thread-safe; one
// mutex guards the world, and nothing blocks under it.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/stripesim/faults.h"
#include "tests/stripesim/form.h"
#include "tests/stripesim/http.h"
#include "tests/stripesim/idempotency.h"
#include "tests/stripesim/routes.h"
#include "tests/stripesim/schema_check.h"
#include "tests/stripesim/webhook_sender.h"
#include "tests/stripesim/world.h"

namespace stripesim {

inline constexpr int64_t kDefaultHoldMs = 60'000;
// A request that nobody releases goes on by itself.
inline constexpr int64_t kMaxHeldMs = 60'000;

class Simulator {
 public:
  // `wall` gives real unix seconds. Throws std::runtime_error on an unreadable schemas file or an
  // unwritable ledger.
  Simulator(const Options& options, std::function<int64_t()> wall);

  // Answers through `respond`, exactly once, perhaps later and on another thread (by `schedule`).
  void Handle(const HttpRequest& request, const Responder& respond, const Scheduler& schedule);

  // Runs what is due by now: sessions that expire, renewals. To be called now and then.
  void Tick();

  // Forgets the requests that rules hold, unanswered: they own connections of the server, which is about to end.
  void DropHeld();

  // Where webhooks go; without it they are only recorded. Must outlive all calls of Handle.
  void SetSender(WebhookSender* sender);
  // The page's address once the port is known, where no flag says it.
  void SetPageBaseUrl(const std::string& url);

  // For the sender: the request to make, or nothing where endpoint or event are gone; and how it
  // went.
  std::optional<OutgoingWebhook> PrepareWebhook(const Delivery& delivery);
  void NoteWebhook(const WebhookJob& job, long status, bool final);

 private:
  struct Pending;
  struct Postponed;
  struct Answer {
    int status = 200;
    std::string body;
    std::string original_request;
    std::string error_code;
    bool replayed = false;
    bool store = false;  // under the idempotency key
    std::optional<bool> should_retry;
  };

  // --- simulator.cc: the API. HandleApi takes the lock, the others are under it.
  void HandleApi(const HttpRequest& request, const Responder& respond, const Scheduler& schedule);
  bool FrontFaults(Pending& pending);  // false: answered already, or never to be
  void Authenticate(const Pending& pending) const;
  void LimitRate();
  void ReadForm(Pending& pending);
  void CheckRequest(Pending& pending) const;
  bool BeginIdempotent(Pending& pending, Answer* answer);  // true: replay
  void Validate(Pending& pending);
  void Postpone(const std::shared_ptr<Pending>& pending, const Fault& fault, const Scheduler& schedule);
  void GoOn(const std::shared_ptr<Postponed>& postponed);
  Answer Execute(Pending& pending);
  Answer Refuse(const Pending& pending, const struct ApiError& error) const;
  void Complete(Pending& pending, Answer answer);
  void Record(const Pending& pending, const Answer& answer, const std::string& fault);

  // --- control.cc: /_sim/
  HttpReply HandleControl(const HttpRequest& request, std::unique_lock<std::mutex>& lock);
  Json Summary();
  Json ControlSession(const std::string& id, const std::string& verb, const Json& body);
  Json ControlBank(const std::string& what, const std::string& id, const Json& body);
  Json ControlEvents(const Json& query);
  Json MoveClock(const Json& body);
  Json Deliver(const Json& body);
  Json Forge(const Json& body, std::unique_lock<std::mutex>& lock);
  OutgoingWebhook WebhookFor(const Event& event, const Object& endpoint);
  void Enqueue(const Delivery& delivery);

  // --- pages.cc: what a payer sees
  HttpReply HandlePage(const HttpRequest& request);
  HttpReply SessionPage(const HttpRequest& request, const std::vector<std::string>& path);
  HttpReply PortalPage(const HttpRequest& request, const std::vector<std::string>& path);
  HttpReply LinkPage(const HttpRequest& request, const std::vector<std::string>& path);

  std::mutex mutex_;
  World world_;
  IdempotencyStore idempotency_;
  FaultPlan faults_;
  std::vector<std::shared_ptr<Postponed>> held_;  // by the action `hold`, in the order of arrival
  SchemaSet schemas_;
  WebhookSender* sender_ = nullptr;
  int64_t rate_second_ = 0;
  int64_t rate_count_ = 0;
};

}  // namespace stripesim
