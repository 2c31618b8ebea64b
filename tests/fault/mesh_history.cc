#include "tests/fault/mesh_history.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "billing/checkout/v1/checkout.grpc.pb.h"
#include "common/rpc/server.h"

namespace billmesh::exactlyonce {
namespace {

using convergence::kRetrievals;
using convergence::Retrieval;
using nlohmann::json;
using testing::Mesh;

constexpr char kPlan[] = "pro-monthly-v1";
constexpr int64_t kMonthS = 31 * 86400;
constexpr int kEventsPage = 500;

[[noreturn]] void Impossible(const std::string& what) {
  std::fprintf(stderr, "no history: %s\n", what.c_str());
  std::abort();
}

// The simulator, as its account's owner.
class Provider {
 public:
  explicit Provider(Mesh& mesh) : mesh_(mesh) {}

  json Get(const std::string& path) { return Ok("GET", mesh_.sim_url() + path, ""); }
  std::string Body(const std::string& path) { return Call("GET", mesh_.sim_url() + path, "").body; }
  json Post(const std::string& path, const std::string& form = "") { return Ok("POST", mesh_.sim_url() + path, form); }
  json Control(const std::string& what, const json& body) {
    return Ok("POST", mesh_.sim_url() + "/_sim/" + what, body.dump());
  }
  json First(const std::string& list) {
    const json data = Get(list).at("data");
    if (data.empty()) Impossible("nothing in " + list);
    return data.at(0);
  }

 private:
  testing::HttpAnswer Call(const std::string& method, const std::string& url, const std::string& body) {
    return mesh_.Send(
        method, url, body,
        {{"Authorization", "Bearer sk_test_mesh"}, {"Content-Type", "application/x-www-form-urlencoded"}});
  }
  json Ok(const std::string& method, const std::string& url, const std::string& body) {
    const testing::HttpAnswer answer = Call(method, url, body);
    if (answer.status != 200) Impossible(absl::StrCat(method, " ", url, " ", body, ": ", answer.body));
    return answer.json();
  }

  Mesh& mesh_;
};

// --- What happens to a tenant between two renewals.

void ChangeQuantity(Provider& provider, const std::string& customer) {
  const json subscription = provider.First("/v1/subscriptions?customer=" + customer);
  provider.Post("/v1/subscription_items/" + subscription["items"]["data"][0]["id"].get<std::string>(), "quantity=3");
}
void CardStopsWorking(Provider& provider, const std::string& customer) {
  provider.Control("payment_behavior", {{"customer", customer}, {"decline", true}, {"final_status", "past_due"}});
}
void CardWorksAgain(Provider& provider, const std::string& customer) {
  provider.Control("payment_behavior", {{"customer", customer}, {"decline", false}});
  const json invoice = provider.First("/v1/invoices?status=open&customer=" + customer);
  provider.Post(absl::StrCat("/v1/invoices/", invoice["id"].get<std::string>(), "/pay"));
}
void Refund(Provider& provider, const std::string& customer) {
  const json charge = provider.First("/v1/charges?customer=" + customer);
  provider.Post("/v1/refunds", "charge=" + charge["id"].get<std::string>());
}
void Credit(Provider& provider, const std::string& customer) {
  const json invoice = provider.First("/v1/invoices?status=paid&customer=" + customer);
  provider.Post("/v1/credit_notes",
                absl::StrCat("invoice=", invoice["id"].get<std::string>(), "&amount=100&credit_amount=100"));
}
void CancelAtPeriodEnd(Provider& provider, const std::string& customer) {
  const json subscription = provider.First("/v1/subscriptions?customer=" + customer);
  provider.Post("/v1/subscriptions/" + subscription["id"].get<std::string>(), "cancel_at_period_end=true");
}
void NewCard(Provider& provider, const std::string& customer) {
  const json method = provider.Post("/v1/payment_methods/pm_card_mastercard/attach", "customer=" + customer);
  provider.Post("/v1/customers/" + customer,
                "invoice_settings[default_payment_method]=" + method["id"].get<std::string>());
}
void LoseCard(Provider& provider, const std::string& customer) {
  const json method = provider.First("/v1/payment_methods?customer=" + customer);
  provider.Post(absl::StrCat("/v1/payment_methods/", method["id"].get<std::string>(), "/detach"));
}
void Dispute(Provider& provider, const std::string& customer) {
  const json charge = provider.First("/v1/charges?customer=" + customer);
  provider.Control("disputes", {{"charge", charge["id"]}});
}
void Nothing(Provider&, const std::string&) {}

using Happening = void (*)(Provider&, const std::string& customer);
// Before the first renewal and before the second; the n-th tenant has the n-th of these.
constexpr Happening kHappenings[][2] = {{ChangeQuantity, Dispute},
                                        {CardStopsWorking, CardWorksAgain},
                                        {Refund, Credit},
                                        {CancelAtPeriodEnd, Nothing},
                                        {NewCard, LoseCard}};

// --- Buying

TenantHistory Buy(Mesh& mesh, billing::checkout::v1::CheckoutService::Stub& checkout, const std::string& slug) {
  TenantHistory tenant;
  tenant.entity_id = mesh.AddWorkspace(slug, "user-" + slug);
  billing::checkout::v1::StartCheckoutRequest request;
  request.mutable_entity()->set_entity_id(tenant.entity_id);
  request.set_idempotency_key("buy");
  request.set_plan_code(kPlan);
  request.set_success_path("/done");
  request.set_cancel_path("/back");
  billing::checkout::v1::StartCheckoutResponse response;
  grpc::ClientContext context;
  const grpc::Status status = checkout.StartCheckout(&context, request, &response);
  if (!status.ok()) Impossible("a checkout: " + status.error_message());
  if (mesh.Send("POST", response.url() + "/pay").status != 303) Impossible("a payment");
  convergence::LifeOperation operation;
  operation.action = "checkout";
  operation.session_id = response.url().substr(response.url().rfind('/') + 1);
  operation.stored = convergence::StoredSession::kOpen;
  tenant.life.operations.push_back(std::move(operation));
  return tenant;
}

// What our side keeps of the purchases.
void ReadPurchases(Mesh& mesh, std::vector<TenantHistory>& tenants) {
  const std::string rows = mesh.Value(
      "SELECT string_agg(concat_ws(' ', s.provider_session_id, s.operation_key, c.provider_customer_id), ',') "
      "FROM billing.checkout_sessions s JOIN billing.entity_customers c USING (entity_id)");
  std::map<std::string, std::vector<std::string>> purchases;
  for (const auto row : absl::StrSplit(rows, ',')) {
    std::vector<std::string> fields = absl::StrSplit(row, ' ');
    purchases[fields.at(0)] = fields;
  }
  const std::string plan =
      mesh.Value(absl::StrCat("SELECT code || '/' || version FROM billing.plans WHERE code = '", kPlan, "'"));
  for (TenantHistory& tenant : tenants) {
    convergence::LifeOperation& operation = tenant.life.operations.front();
    operation.key = purchases.at(operation.session_id).at(1);
    tenant.life.customer_id = purchases.at(operation.session_id).at(2);
    tenant.life.plan = plan;
  }
}

// --- Reading it back

// Whose each object is, by its id: its customer's, or that of what it belongs to.
class Owners {
 public:
  explicit Owners(std::vector<TenantHistory>& tenants) {
    for (TenantHistory& tenant : tenants) {
      owner_[tenant.life.customer_id] = &tenant;
    }
  }
  // Learns from every state of an object that events tell; null: nobody's that is known so far.
  TenantHistory* Find(const json& object) {
    const auto id = object.find("id");
    if (id == object.end() || !id->is_string()) return nullptr;
    for (const char* member : {"id", "customer", "payment_intent", "charge", "invoice"}) {
      const auto named = object.find(member);
      if (named == object.end() || !named->is_string()) continue;
      const auto at = owner_.find(named->get<std::string>());
      if (at == owner_.end()) continue;
      return owner_[id->get<std::string>()] = at->second;
    }
    return nullptr;
  }

 private:
  std::map<std::string, TenantHistory*> owner_;
};

void TakePresent(Provider& provider, const json& object, TenantHistory& tenant) {
  const std::string id = object.at("id");
  for (const Retrieval& retrieval : kRetrievals) {
    if (object.value("object", "") != retrieval.object) continue;
    tenant.life.present.objects.push_back({retrieval.kind, id, provider.Body(retrieval.path + id)});
  }
}

std::vector<json> AllEvents(Provider& provider) {
  std::vector<json> events;
  for (int64_t since = 0;;) {
    const json page = provider.Get(absl::StrCat("/_sim/events?limit=", kEventsPage, "&since=", since));
    if (page.at("data").empty()) return events;
    events.insert(events.end(), page.at("data").begin(), page.at("data").end());
    since = page.at("last_seq");
  }
}

void TakeEvents(Provider& provider, MeshHistory& history) {
  const std::vector<json> events = AllEvents(provider);
  Owners owners(history.tenants);
  // Twice: an object may be told of before what it belongs to.
  for (const json& event : events) owners.Find(event.at("data").at("object"));
  std::set<std::string> taken;
  for (const json& event : events) {
    history.event_ids.push_back(event.at("id"));
    history.event_bodies.push_back(event.dump());
    const json& object = event.at("data").at("object");
    TenantHistory* const tenant = owners.Find(object);
    if (tenant == nullptr) continue;
    convergence::LifeEvent of_life{event.at("id"), event.at("type"), object.at("id"), event.at("created"), {}};
    of_life.bodies[0] = history.event_bodies.back();
    tenant->life.events.push_back(std::move(of_life));
    if (taken.insert(object.at("id")).second) TakePresent(provider, object, *tenant);
  }
}

}  // namespace

MeshHistory PlayHistory(Mesh& mesh, int tenants) {
  Provider provider(mesh);
  provider.Control("webhooks", {{"hold", true}});
  const auto checkout = billing::checkout::v1::CheckoutService::NewStub(
      rpc::MakeChannel(mesh.grpc_address("checkout"),
                       {mesh.Identity("ca.pem"), mesh.Identity("service.pem"), mesh.Identity("service.key")}));
  MeshHistory history;
  for (int n = 0; n < tenants; ++n) history.tenants.push_back(Buy(mesh, *checkout, absl::StrCat("buyer-", n)));
  ReadPurchases(mesh, history.tenants);
  for (const int renewal : {0, 1}) {
    for (size_t n = 0; n < history.tenants.size(); ++n) {
      kHappenings[n % std::size(kHappenings)][renewal](provider, history.tenants[n].life.customer_id);
    }
    // Past the delay after which a renewal's invoice is paid.
    provider.Control("clock", {{"advance_s", kMonthS}});
    provider.Control("clock", {{"advance_s", 2 * 3600}});
  }
  TakeEvents(provider, history);
  return history;
}

}  // namespace billmesh::exactlyonce
