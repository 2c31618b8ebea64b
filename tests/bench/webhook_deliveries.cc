#include "tests/bench/webhook_deliveries.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/entities.h"

namespace billmesh::bench {
namespace {

constexpr char kTarget[] = "/api/billing/webhooks/stripe";
// Of the deliveries with early ones, every so manieth comes before what it belongs to, and waits for a worker.
constexpr int kEarlyEvery = 20;

std::string Padding() {
  std::string padding;
  for (int i = 0; i < 45; ++i) {
    absl::StrAppend(&padding, i ? "," : "", "\"note_", i,
                    "\":\"a field that billing does not read, like many of a real object\"");
  }
  return padding;
}

std::string Event(const std::string& id, const std::string& type, int64_t created, const std::string& object) {
  return absl::StrCat(R"({"id":")", id, R"(","object":"event","api_version":"2026-10-28.endive","created":)", created,
                      R"(,"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":")",
                      type, R"(","data":{"object":)", object, "}}");
}

int EdgePort(const testing::Mesh& mesh) {
  int port = 0;
  if (!absl::SimpleAtoi(mesh.edge_url().substr(mesh.edge_url().rfind(':') + 1), &port))
    Die("no port in " + mesh.edge_url());
  return port;
}

}  // namespace

Deliveries::Deliveries(testing::Mesh& mesh, int entities)
    : secret_(mesh.webhook_secret()), price_(BasePrice(mesh)), padding_(Padding()), entities_(entities) {}

// All of them in turn, neighbours on disk far apart. (A prime, so that none is left out.)
int Deliveries::EntityOf(int n) const { return static_cast<int>(int64_t{n} * 7919 % entities_); }

std::string Deliveries::Body(int n, int entity) const { return Body(n, entity, entity); }

std::string Deliveries::Body(int n, int entity, int item) const {
  const int64_t created = 1'790'000'000 + n;
  const std::string object = absl::StrCat(
      R"({"id":"sub_bench)", entity, R"(","object":"subscription","customer":"cus_bench)", entity,
      R"(","status":"active","created":1767225600,"cancel_at_period_end":false,"cancel_at":null,"canceled_at":null,"ended_at":null,)",
      R"("trial_start":null,"trial_end":null,"latest_invoice":"in_)", n, R"(","livemode":false,"metadata":{)", padding_,
      R"(},"items":{"object":"list","has_more":false,"data":[{"id":"si_bench)", item,
      R"(","object":"subscription_item","quantity":)", 1 + n % 7, R"(,"current_period_start":)", created,
      R"(,"current_period_end":)", created + 2592000, R"(,"price":{"id":")", price_,
      R"(","object":"price","currency":"eur","unit_amount":2900}}]}})");
  return Event(absl::StrCat("evt_bench", n), "customer.subscription.updated", created, object);
}

std::vector<std::string> Deliveries::Next(int count) {
  std::vector<std::string> requests;
  requests.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i, ++next_) requests.push_back(Sign(Body(next_, EntityOf(next_))));
  return requests;
}

std::vector<std::string> Deliveries::NextWithEarlyOnes(int count) {
  std::vector<std::string> requests;
  for (int i = 0; i < count; ++i) {
    if (i % kEarlyEvery == 0) {
      AddRefundThenCharge(requests);
      continue;
    }
    requests.push_back(Sign(Body(next_, EntityOf(next_))));
    ++next_;
  }
  return requests;
}

std::string Deliveries::NextPoisoned(int entity) {
  const int n = next_++;
  return Sign(Body(n, entity, 0));
}

void Deliveries::AddRefundThenCharge(std::vector<std::string>& requests) {
  const int n = next_++;
  const std::string payment = absl::StrCat("pi_bench", n), charge = absl::StrCat("ch_bench", n);
  requests.push_back(Sign(
      Event(absl::StrCat("evt_refund", n), "refund.created", 1'790'000'000 + n,
            absl::StrCat(R"({"id":"re_bench)", n, R"(","object":"refund","amount":100,"currency":"eur","charge":")",
                         charge, R"(","payment_intent":")", payment,
                         R"(","status":"succeeded","created":1790000000,"metadata":{)", padding_, "}}"))));
  requests.push_back(Sign(Event(
      absl::StrCat("evt_charge", n), "charge.succeeded", 1'790'000'000 + n,
      absl::StrCat(R"({"id":")", charge,
                   R"(","object":"charge","amount":100,"amount_refunded":0,"currency":"eur","customer":)",
                   R"("cus_bench)", EntityOf(n), R"(","payment_intent":")", payment,
                   R"(","status":"succeeded","created":1790000000,"livemode":false,"metadata":{)", padding_, "}}"))));
}
std::string Deliveries::Sign(const std::string& body) const { return SignedRequest(kTarget, secret_, body); }

Load Deliver(const testing::Mesh& mesh, const DeliveryLoad& options, const std::vector<std::string>& requests) {
  DeliveryLoad load = options;
  load.port = EdgePort(mesh);
  const Load done = RunDeliveries(load, requests);
  if (done.failed != 0) Die(absl::StrCat(done.failed, " of ", done.done, " deliveries were not answered 200"));
  return done;
}

}  // namespace billmesh::bench
