// What a payer sees: the checkout page, payment links and the portal. Plain HTML with forms, so that
// a person, a browser test and curl can click alike.

#include <algorithm>
#include <utility>

#include "tests/stripesim/billing.h"
#include "tests/stripesim/error.h"
#include "tests/stripesim/handlers.h"
#include "tests/stripesim/simulator.h"

namespace stripesim {
namespace {

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

HttpReply Html(int status, const std::string& title, const std::string& body) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/html; charset=utf-8";
  reply.headers = {{"Cache-Control", "no-store"}};
  reply.body = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + Escape(title) +
               "</title><meta name=\"viewport\" content=\"width=device-width\"><style>body{font:"
               "16px sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}form{display:"
               "inline-block;margin:.5rem .5rem 0 0}button{font:inherit;padding:.5rem 1rem}"
               "</style></head><body><h1>" +
               Escape(title) + "</h1>" + body + "</body></html>";
  return reply;
}

HttpReply Redirect(const std::string& url) {
  HttpReply reply;
  reply.status = 303;
  reply.content_type = "text/plain";
  reply.headers = {{"Location", url}};
  return reply;
}

std::string Button(const std::string& action, const std::string& id, const std::string& label) {
  return "<form method=\"post\" action=\"" + Escape(action) + "\"><button id=\"" + id + "\" type=\"submit\">" +
         Escape(label) + "</button></form>";
}

std::string Money(const Json& session) {
  const int64_t amount = Int(session, "amount_total");
  std::string cents = std::to_string(amount % 100);
  if (cents.size() < 2) cents = "0" + cents;
  return std::to_string(amount / 100) + "." + cents + " " + Str(session, "currency");
}

std::string WithSessionId(std::string url, const std::string& id) {
  static constexpr std::string_view kPlaceholder = "{CHECKOUT_SESSION_ID}";
  for (size_t at = url.find(kPlaceholder); at != std::string::npos; at = url.find(kPlaceholder)) {
    url.replace(at, kPlaceholder.size(), id);
  }
  return url;
}

std::string Field(const HttpRequest& request, const std::string& name) {
  for (const FormPair& pair : ParseForm(request.body)) {
    if (pair.key == name) return pair.value;
  }
  return "";
}

std::string AfterPayment(World& w, const Object& session) {
  std::string url = Str(session.json, "success_url");
  if (const Object* link = w.store.Find("payment_link", Str(session.json, "payment_link"))) {
    url = Str(At(At(link->json, "after_completion"), "redirect"), "url");
  }
  return url.empty() ? w.page_base_url + "/pay/" + session.id : WithSessionId(std::move(url), session.id);
}

std::string LinesHtml(const Object& session) {
  std::string html = "<ul>";
  for (const Json& line : At(session.priv, "line_items")) {
    html += "<li>" + std::to_string(Int(line, "quantity", 1)) + " × " + Escape(Str(line, "description")) + "</li>";
  }
  return html + "</ul>";
}

HttpReply OpenPage(const Object& session) {
  const std::string base = "/pay/" + session.id;
  std::string body = LinesHtml(session) + "<p id=\"total\">Total: " + Escape(Money(session.json)) +
                     "</p><form method=\"post\" action=\"" + base +
                     "/pay\"><input name=\"email\" type=\"email\" placeholder=\"email\" value=\"" +
                     Escape(Str(session.json, "customer_email")) +
                     "\"><button id=\"pay\" type=\"submit\">Pay</button></form>" +
                     Button(base + "/fail", "fail", "Pay with a card that is declined");
  if (Has(session.json, "cancel_url")) body += Button(base + "/leave", "leave", "Leave");
  return Html(200, "Checkout (simulated)", body);
}

}  // namespace

HttpReply Simulator::HandlePage(const HttpRequest& request) {
  std::vector<std::string> path;
  const std::string whole = request.target.substr(0, request.target.find('?'));
  for (size_t at = 1; at <= whole.size();) {
    const size_t slash = std::min(whole.find('/', at), whole.size());
    path.push_back(whole.substr(at, slash - at));
    at = slash + 1;
  }
  if (whole == "/favicon.ico") return Html(404, "Not found", "");
  try {
    if (path.size() >= 2 && path[0] == "pay") return SessionPage(request, path);
    if (path.size() >= 2 && path[0] == "portal") return PortalPage(request, path);
    if (path.size() >= 2 && path[0] == "link") return LinkPage(request, path);
    if (path.size() >= 2 && path[0] == "invoice") {
      const Object& invoice = Require(world_, "invoice", path[1]);
      return Html(200, "Invoice " + Str(invoice.json, "number"),
                  "<p id=\"status\">" + Escape(Str(invoice.json, "status")) + "</p>");
    }
  } catch (const ApiError& error) {
    return Html(error.status, "Something went wrong", "<p id=\"error\">" + Escape(error.message) + "</p>");
  }
  if (whole == "/") {
    return Html(200, "Stripe simulator",
                "<p>Not Stripe. The API is under /v1/, the control API "
                "under /_sim/.</p>");
  }
  return Html(404, "Not found", "");
}

HttpReply Simulator::SessionPage(const HttpRequest& request, const std::vector<std::string>& path) {
  Object& session = Require(world_, "checkout.session", path[1]);
  const std::string status = Str(session.json, "status");
  const std::string verb = request.method == "POST" && path.size() == 3 ? path[2] : "";
  world_.actor = Actor{"page", "", Str(session.priv, "key")};
  if (verb == "leave") {
    const std::string url = Str(session.json, "cancel_url");
    if (url.empty()) return Html(404, "Nowhere to go", "");
    return Redirect(WithSessionId(url, session.id));
  }
  if (status == "expired") {
    return Html(verb.empty() ? 200 : 410, "This page has expired", "<p id=\"status\">expired</p>");
  }
  if (status == "complete") {
    // A second click, or a reload: the payer is sent on, nothing is paid twice.
    if (verb == "pay") return Redirect(AfterPayment(world_, session));
    return Html(200, "Payment complete", "<p id=\"status\">complete</p>");
  }
  if (verb == "pay") {
    PaySession(world_, session, {Field(request, "email"), Field(request, "name")});
    return Redirect(AfterPayment(world_, session));
  }
  if (verb == "fail") {
    FailSession(world_, session, "generic_decline");
    HttpReply reply = OpenPage(session);
    reply.status = 402;
    reply.body.insert(reply.body.find("</h1>") + 5, "<p id=\"error\" role=\"alert\">Your card was declined.</p>");
    return reply;
  }
  return OpenPage(session);
}

HttpReply Simulator::LinkPage(const HttpRequest& request, const std::vector<std::string>& path) {
  Object& link = Require(world_, "payment_link", path[1]);
  if (!Bool(link.json, "active")) {
    std::string message = Str(link.json, "inactive_message");
    if (message.empty()) message = "This link is no longer active.";
    return Html(410, "Payment link", "<p id=\"status\">" + Escape(message) + "</p>");
  }
  if (request.method != "POST") {
    return Html(200, "Payment link", Button("/link/" + link.id, "continue", "Continue to payment"));
  }
  world_.actor = Actor{"page", "", Str(link.priv, "key")};
  Json params = {{"mode", Str(link.priv, "mode")},
                 {"metadata", At(link.json, "metadata")},
                 {"customer_creation", At(link.json, "customer_creation")}};
  for (const char* name : {"invoice_creation", "payment_intent_data", "subscription_data"}) {
    if (Has(link.json, name)) params[name] = At(link.json, name);
  }
  const Object& session = OpenSession(world_, params, At(link.priv, "line_items"), link.id);
  return Redirect(Str(session.json, "url"));
}

HttpReply Simulator::PortalPage(const HttpRequest& request, const std::vector<std::string>& path) {
  const Object& portal = Require(world_, "billing_portal.session", path[1]);
  const std::string customer = Str(portal.json, "customer");
  const std::string base = "/portal/" + portal.id;
  world_.actor = Actor{"portal", "", Str(portal.priv, "key")};
  if (request.method == "POST" && path.size() == 4) {
    Object& sub = Require(world_, "subscription", path[2]);
    if (Str(sub.json, "customer") != customer) throw ResourceMissing("subscription", path[2]);
    const Json params = {{"cancel_at_period_end", path[3] == "cancel"}};
    Call call{world_, params, {sub.id}, world_.account_version};
    UpdateSubscription(call);
    return Redirect(base);
  }
  std::string body;
  world_.store.ForEach("subscription", "customer", customer, [&](Object& sub) {
    const std::string status = Str(sub.json, "status");
    const bool ending = Bool(sub.json, "cancel_at_period_end");
    body += "<section data-subscription=\"" + Escape(sub.id) + "\"><p>" + Escape(sub.id) + ": <span class=\"status\">" +
            Escape(status) + "</span>" + (ending ? " (ends with the period)" : "") + "</p>";
    if (status != "canceled" && status != "incomplete_expired") {
      body += ending ? Button(base + "/" + sub.id + "/resume", "resume", "Resume")
                     : Button(base + "/" + sub.id + "/cancel", "cancel", "Cancel at period end");
    }
    body += "</section>";
    return true;
  });
  const std::string back = Str(portal.json, "return_url");
  if (!back.empty()) body += "<p><a id=\"return\" href=\"" + Escape(back) + "\">Return</a></p>";
  return Html(200, "Billing portal (simulated)", body);
}

}  // namespace stripesim
