#pragma once

// All endpoints, one function each (resource files), and the pieces of them that others use.

#include <string>
#include <string_view>
#include <vector>

#include "tests/stripesim/resource.h"

namespace stripesim {

// catalog.cc
Json GetAccount(Call& call);
Json CreateProduct(Call& call);
Json GetProduct(Call& call);
Json UpdateProduct(Call& call);
Json ListProducts(Call& call);
Json DeleteProduct(Call& call);
Json CreatePrice(Call& call);
Json GetPrice(Call& call);
Json UpdatePrice(Call& call);
Json ListPrices(Call& call);
// A price from price_data-like parameters; `param` is their name in refusals, "" at the top.
Json CreateInlinePrice(World& w, const Json& params, const std::string& param);
// The plan that stands beside a recurring price.
Json PlanOf(const Json& price);
// Whether a price is billed for what was used.
bool IsMetered(const Json& price);

// customers.cc
Json CreateCustomer(Call& call);
Json GetCustomer(Call& call);
Json UpdateCustomer(Call& call);
Json ListCustomers(Call& call);
Json DeleteCustomer(Call& call);
Json ListCustomerPaymentMethods(Call& call);
Json GetCustomerPaymentMethod(Call& call);
// A customer made by checkout.
Object& NewCustomer(World& w, const Json& params);

// payment_methods.cc
Json CreatePaymentMethod(Call& call);
Json GetPaymentMethod(Call& call);
Json UpdatePaymentMethod(Call& call);
Json ListPaymentMethods(Call& call);
Json AttachPaymentMethod(Call& call);
Json DetachPaymentMethod(Call& call);
// A card of the given test kind ("pm_card_visa", "tok_visa", …); throws for unknown ones.
Object& NewCard(World& w, const std::string& test_kind, const std::string& param);
// Attaches to `customer` (may be empty: nothing) and tells it.
void Attach(World& w, Object& method, const std::string& customer);

// payments.cc
Json GetPaymentIntent(Call& call);
Json ListPaymentIntents(Call& call);
Json GetCharge(Call& call);
Json ListCharges(Call& call);

// refunds.cc
Json CreateRefund(Call& call);
Json GetRefund(Call& call);
Json UpdateRefund(Call& call);
Json ListRefunds(Call& call);

// disputes.cc
Json GetDispute(Call& call);
Json ListDisputes(Call& call);
Json CloseDispute(Call& call);

// credit_notes.cc
Json CreateCreditNote(Call& call);
Json GetCreditNote(Call& call);
Json UpdateCreditNote(Call& call);
Json ListCreditNotes(Call& call);
Json ListCreditNoteLines(Call& call);
Json VoidCreditNote(Call& call);

// invoices.cc
Json GetInvoice(Call& call);
Json ListInvoices(Call& call);
Json ListInvoiceLines(Call& call);
Json PayInvoiceNow(Call& call);
Json VoidInvoice(Call& call);
Json GetInvoicePayment(Call& call);
Json ListInvoicePayments(Call& call);

// sessions.cc, session_payment.cc
Json CreateSession(Call& call);
Json GetSession(Call& call);
Json UpdateSession(Call& call);
Json ListSessions(Call& call);
Json ExpireSession(Call& call);
Json ListSessionLineItems(Call& call);
// Priced lines from line_items parameters: [{id, price, quantity, amount_total, …}].
Json MakeLineItems(World& w, const Json& params, const std::string& mode);
// Opens a session from checked parameters; a payment link opens its own too.
Object& OpenSession(World& w, const Json& params, Json line_items, const std::string& payment_link);

// subscriptions.cc, subscription_items.cc
Json CreateSubscription(Call& call);
Json GetSubscription(Call& call);
Json UpdateSubscription(Call& call);
Json ListSubscriptions(Call& call);
Json CancelSubscription(Call& call);
Json PauseSubscription(Call& call);
Json ResumeSubscription(Call& call);
Json ListSubscriptionItems(Call& call);
Json GetSubscriptionItem(Call& call);
Json CreateSubscriptionItem(Call& call);
Json UpdateSubscriptionItem(Call& call);
Json DeleteSubscriptionItem(Call& call);
// Applies items[] of a create or update to the subscription, prorating by `proration_behavior`.
void ApplyItems(World& w, Object& sub, const Json& items, const std::string& proration_behavior);

// links_portal.cc
Json CreatePortalSession(Call& call);
Json CreatePaymentLink(Call& call);
Json GetPaymentLink(Call& call);
Json UpdatePaymentLink(Call& call);
Json ListPaymentLinks(Call& call);
Json ListPaymentLinkItems(Call& call);

// webhook_endpoints.cc
Json CreateWebhookEndpoint(Call& call);
Json GetWebhookEndpoint(Call& call);
Json UpdateWebhookEndpoint(Call& call);
Json ListWebhookEndpoints(Call& call);
Json DeleteWebhookEndpoint(Call& call);
Json GetEvent(Call& call);
Json ListEvents(Call& call);
// The endpoint that flags name. `secret` empty: made.
Object& AddWebhookEndpoint(World& w, const std::string& url, const std::string& secret, const std::string& api_version,
                           const Json& enabled_events);

}  // namespace stripesim
