#include "tests/stripesim/routes.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "tests/stripesim/form.h"
#include "tests/stripesim/handlers.h"

namespace stripesim {
namespace {

struct Row {
  const char* method;
  const char* pattern;
  ApiHandler handler;
};

const Row kRows[] = {
    {"GET", "/v1/account", GetAccount},
    {"POST", "/v1/customers", CreateCustomer},
    {"GET", "/v1/customers", ListCustomers},
    {"GET", "/v1/customers/{id}", GetCustomer},
    {"POST", "/v1/customers/{id}", UpdateCustomer},
    {"DELETE", "/v1/customers/{id}", DeleteCustomer},
    {"GET", "/v1/customers/{id}/payment_methods", ListCustomerPaymentMethods},
    {"GET", "/v1/customers/{customerId}/payment_methods/{id}", GetCustomerPaymentMethod},
    {"POST", "/v1/products", CreateProduct},
    {"GET", "/v1/products", ListProducts},
    {"GET", "/v1/products/{id}", GetProduct},
    {"POST", "/v1/products/{id}", UpdateProduct},
    {"DELETE", "/v1/products/{id}", DeleteProduct},
    {"POST", "/v1/prices", CreatePrice},
    {"GET", "/v1/prices", ListPrices},
    {"GET", "/v1/prices/{id}", GetPrice},
    {"POST", "/v1/prices/{id}", UpdatePrice},
    {"POST", "/v1/checkout/sessions", CreateSession},
    {"GET", "/v1/checkout/sessions", ListSessions},
    {"GET", "/v1/checkout/sessions/{id}", GetSession},
    {"POST", "/v1/checkout/sessions/{id}", UpdateSession},
    {"POST", "/v1/checkout/sessions/{id}/expire", ExpireSession},
    {"GET", "/v1/checkout/sessions/{id}/line_items", ListSessionLineItems},
    {"POST", "/v1/subscriptions", CreateSubscription},
    {"GET", "/v1/subscriptions", ListSubscriptions},
    {"GET", "/v1/subscriptions/{id}", GetSubscription},
    {"POST", "/v1/subscriptions/{id}", UpdateSubscription},
    {"DELETE", "/v1/subscriptions/{id}", CancelSubscription},
    {"POST", "/v1/subscriptions/{id}/pause", PauseSubscription},
    {"POST", "/v1/subscriptions/{id}/resume", ResumeSubscription},
    {"GET", "/v1/subscription_items", ListSubscriptionItems},
    {"POST", "/v1/subscription_items", CreateSubscriptionItem},
    {"GET", "/v1/subscription_items/{id}", GetSubscriptionItem},
    {"POST", "/v1/subscription_items/{id}", UpdateSubscriptionItem},
    {"DELETE", "/v1/subscription_items/{id}", DeleteSubscriptionItem},
    {"GET", "/v1/invoices", ListInvoices},
    {"GET", "/v1/invoices/{id}", GetInvoice},
    {"GET", "/v1/invoices/{id}/lines", ListInvoiceLines},
    {"POST", "/v1/invoices/{id}/pay", PayInvoiceNow},
    {"POST", "/v1/invoices/{id}/void", VoidInvoice},
    {"GET", "/v1/invoice_payments", ListInvoicePayments},
    {"GET", "/v1/invoice_payments/{id}", GetInvoicePayment},
    {"GET", "/v1/payment_intents", ListPaymentIntents},
    {"GET", "/v1/payment_intents/{id}", GetPaymentIntent},
    {"GET", "/v1/charges", ListCharges},
    {"GET", "/v1/charges/{id}", GetCharge},
    {"POST", "/v1/refunds", CreateRefund},
    {"GET", "/v1/refunds", ListRefunds},
    {"GET", "/v1/refunds/{id}", GetRefund},
    {"POST", "/v1/refunds/{id}", UpdateRefund},
    {"GET", "/v1/disputes", ListDisputes},
    {"GET", "/v1/disputes/{id}", GetDispute},
    {"POST", "/v1/disputes/{id}/close", CloseDispute},
    {"POST", "/v1/credit_notes", CreateCreditNote},
    {"GET", "/v1/credit_notes", ListCreditNotes},
    {"GET", "/v1/credit_notes/{id}", GetCreditNote},
    {"POST", "/v1/credit_notes/{id}", UpdateCreditNote},
    {"GET", "/v1/credit_notes/{id}/lines", ListCreditNoteLines},
    {"POST", "/v1/credit_notes/{id}/void", VoidCreditNote},
    {"POST", "/v1/payment_methods", CreatePaymentMethod},
    {"GET", "/v1/payment_methods", ListPaymentMethods},
    {"GET", "/v1/payment_methods/{id}", GetPaymentMethod},
    {"POST", "/v1/payment_methods/{id}", UpdatePaymentMethod},
    {"POST", "/v1/payment_methods/{id}/attach", AttachPaymentMethod},
    {"POST", "/v1/payment_methods/{id}/detach", DetachPaymentMethod},
    {"GET", "/v1/events", ListEvents},
    {"GET", "/v1/events/{id}", GetEvent},
    {"POST", "/v1/webhook_endpoints", CreateWebhookEndpoint},
    {"GET", "/v1/webhook_endpoints", ListWebhookEndpoints},
    {"GET", "/v1/webhook_endpoints/{id}", GetWebhookEndpoint},
    {"POST", "/v1/webhook_endpoints/{id}", UpdateWebhookEndpoint},
    {"DELETE", "/v1/webhook_endpoints/{id}", DeleteWebhookEndpoint},
    {"POST", "/v1/billing_portal/sessions", CreatePortalSession},
    {"POST", "/v1/payment_links", CreatePaymentLink},
    {"GET", "/v1/payment_links", ListPaymentLinks},
    {"GET", "/v1/payment_links/{id}", GetPaymentLink},
    {"POST", "/v1/payment_links/{id}", UpdatePaymentLink},
    {"GET", "/v1/payment_links/{id}/line_items", ListPaymentLinkItems},
};

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> segments;
  size_t at = 1;
  while (at <= path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    segments.emplace_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return segments;
}

std::vector<Route> BuildRoutes() {
  std::vector<Route> routes;
  for (const Row& row : kRows) {
    Route route;
    route.method = row.method;
    route.pattern = row.pattern;
    route.operation = route.method + " " + route.pattern;
    route.handler = row.handler;
    route.spec = SpecOf(route.operation);
    if (route.spec == nullptr) throw std::logic_error("no parameters for " + route.operation);
    route.segments = Split(route.pattern);
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace

const std::vector<Route>& AllRoutes() {
  static const auto* const kRoutes = new std::vector<Route>(BuildRoutes());
  return *kRoutes;
}

RouteMatch FindRoute(std::string_view method, std::string_view path) {
  if (path.empty() || path.front() != '/') return {};
  const std::vector<std::string> segments = Split(path);
  for (const Route& route : AllRoutes()) {
    if (route.method != method || route.segments.size() != segments.size()) continue;
    RouteMatch match;
    bool good = true;
    for (size_t i = 0; i < segments.size() && good; ++i) {
      if (route.segments[i].front() == '{') {
        good = !segments[i].empty();
        match.ids.push_back(UrlDecode(segments[i], false));
      } else {
        good = route.segments[i] == segments[i];
      }
    }
    if (!good) continue;
    match.route = &route;
    return match;
  }
  return {};
}

}  // namespace stripesim
