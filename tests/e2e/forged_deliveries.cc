#include "tests/e2e/forged_deliveries.h"

#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/crypto/crypto.h"
#include "nlohmann/json.hpp"

namespace billmesh::testing {
namespace {

using nlohmann::json;

constexpr char kPath[] = "/api/billing/webhooks/stripe";
constexpr char kRefusedSignature[] = "webhook_signature_invalid";
constexpr char kMalformed[] = "webhook_payload_malformed";
constexpr char kMismatch[] = "mismatch";
constexpr size_t kMaxBody = 256 << 10;

std::string Mac(const std::string& secret, int64_t t, const std::string& body) {
  return crypto::HmacSha256Hex(secret, absl::StrCat(t, ".", body));
}

std::string Header(const std::string& secret, int64_t t, const std::string& body) {
  return absl::StrCat("t=", t, ",v1=", Mac(secret, t, body));
}

// A request as it goes over the wire; the body is framed by its length unless a framing is given.
struct Wire {
  std::string body;
  std::vector<std::string> signatures;  // values of the signature header, one header each
  std::vector<std::string> more;        // header lines
  std::string verb = "POST", path = kPath, version = "HTTP/1.1", framing = "";

  std::string Render() const {
    std::string head = absl::StrCat(verb, " ", path, " ", version, "\r\nHost: billing.example.test\r\n",
                                    "Content-Type: application/json; charset=utf-8\r\n");
    for (const std::string& value : signatures) absl::StrAppend(&head, "Stripe-Signature: ", value, "\r\n");
    for (const std::string& line : more) absl::StrAppend(&head, line, "\r\n");
    absl::StrAppend(&head, framing.empty() ? absl::StrCat("Content-Length: ", body.size()) : framing, "\r\n\r\n", body);
    return head;
  }
};

std::string Chunked(const std::string& body) {
  return absl::StrCat(absl::Hex(body.size()), "\r\n", body, "\r\n0\r\n\r\n");
}

std::string Repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

// The event of every forgery, right in itself.
std::string Whole(const Sender& sender) { return UnknownEvent("evt_forged", sender.now); }

// The event with another member.
std::string WithMember(const Sender& sender, const std::string& member) {
  std::string body = Whole(sender);
  return body.insert(body.size() - 1, "," + member);
}

}  // namespace

std::string UnknownEvent(const std::string& id, int64_t created) {
  return absl::StrCat(R"({"id":")", id, R"(","object":"event","api_version":"2026-10-28.endive","created":)", created,
                      R"(,"livemode":false,"pending_webhooks":1,"type":"moon.landed",)",
                      R"("data":{"object":{"id":"moon_1","object":"moon"}}})");
}

std::string UnknownEventOfSize(const std::string& id, int64_t created, size_t bytes) {
  std::string event = UnknownEvent(id, created);
  const std::string member = R"(,"padding":"")";
  return event.insert(event.size() - 1,
                      absl::StrCat(R"(,"padding":")", std::string(bytes - event.size() - member.size(), 'x'), "\""));
}

std::string SignedRequest(const std::string& body, const std::string& secret, int64_t signed_at) {
  return Wire{body, {Header(secret, signed_at, body)}, {}}.Render();
}

std::vector<RawDelivery> ForgedSignatures(const Sender& sender) {
  const std::string body = Whole(sender);
  const std::string t = absl::StrCat("t=", sender.now), mac = Mac(sender.secret, sender.now, body);
  const std::string right = absl::StrCat(t, ",v1=", mac);
  std::string flipped = body;
  flipped[flipped.size() / 2] ^= 1;
  const std::string spaced = json::parse(body).dump(2);
  const struct {
    const char* name;
    std::string body;
    std::vector<std::string> headers;
    const char* cause;
  } kForgeries[] = {
      {"a flipped bit", flipped, {right}, kMismatch},
      {"a byte more", body + "\n", {right}, kMismatch},
      {"serialized again", spaced, {right}, kMismatch},
      {"another secret", body, {Header("whsec_other", sender.now, body)}, kMismatch},
      {"an empty secret", body, {Header("", sender.now, body)}, kMismatch},
      {"the body signed without its time", body, {t + ",v1=" + crypto::HmacSha256Hex(sender.secret, body)}, kMismatch},
      {"another time than was signed", body, {absl::StrCat("t=", sender.now + 1, ",v1=", mac)}, kMismatch},
      {"upper case", body, {t + ",v1=" + absl::AsciiStrToUpper(mac)}, kMismatch},
      {"a digit less", body, {t + ",v1=" + mac.substr(1)}, kMismatch},
      {"an empty signature", body, {t + ",v1="}, kMismatch},
      {"a genuine one of another body", body, {Header(sender.secret, sender.now, spaced)}, kMismatch},
      {"301 s old", body, {Header(sender.secret, sender.now - 301, body)}, "too_old"},
      {"a year old", body, {Header(sender.secret, sender.now - 31'536'000, body)}, "too_old"},
      {"a thin one, 301 s old", body, {Header(sender.thin_secret, sender.now - 301, body)}, "too_old"},
      {"v0 only", body, {t + ",v0=" + mac}, "signature_missing"},
      {"a blank after the comma", body, {t + ", v1=" + mac}, "signature_missing"},
      {"V1", body, {t + ",V1=" + mac}, "signature_missing"},
      {"no signature", body, {t}, "signature_missing"},
      {"no time", body, {"v1=" + mac}, "timestamp_missing"},
      {"a time that is no number", body, {"t=now,v1=" + mac}, "timestamp_missing"},
      {"a time of forty digits", body, {"t=" + std::string(40, '9') + ",v1=" + mac}, "timestamp_missing"},
      {"the time -1", body, {Header(sender.secret, -1, body)}, "timestamp_missing"},
      {"65 signatures, one genuine", body, {right + Repeated(",v1=00", 64)}, "too_many_signatures"},
      {"9 KiB of signatures", body, {right + Repeated(",v1=", 2300)}, "header_too_large"},
      {"an empty header", body, {""}, "header_missing"},
      {"no header", body, {}, "header_missing"},
      {"the header twice", body, {right, right}, "header_repeated"},
      {"a header that isn't text", body, {right + ",v2=\xff\xfe"}, "header_malformed"},
      {"a gzipped body, signed before", "\x1f\x8b\x08 not really", {right}, kMismatch},
  };
  std::vector<RawDelivery> forged;
  for (const auto& f : kForgeries) {
    forged.push_back({f.name, Wire{f.body, f.headers, {}}.Render(), 400, kRefusedSignature, f.cause});
  }
  return forged;
}

std::vector<RawDelivery> BrokenPayloads(const Sender& sender) {
  const std::string whole = Whole(sender);
  const auto with = [&](const std::function<void(json&)>& change) {
    json event = json::parse(whole);
    change(event);
    return event.dump();
  };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    return absl::StrReplaceAll(whole, {{from, to}});
  };
  const std::string created = absl::StrCat("\"created\":", sender.now), id = "evt_forged";
  const std::string thin = json{{"id", id},
                                {"object", "v2.core.event"},
                                {"type", "v1.invoice.paid"},
                                {"livemode", false},
                                {"created", "2026-11-20T10:00:00.000Z"}}
                               .dump();
  const struct {
    const char* name;
    std::string body;
    bool by_thin_secret = false;
  } kPayloads[] = {
      {"not JSON", "evt_forged"},
      {"a form", "id=evt_forged&object=event"},
      {"half an event", whole.substr(0, whole.size() / 2)},
      {"an event and more", whole + "{}"},
      {"two events in a list", "[" + whole + "," + whole + "]"},
      {"null", "null"},
      {"a number", "7"},
      {"an empty object", "{}"},
      {"a blank", " "},
      {"a list object", replaced("\"event\"", "\"list\"")},
      {"nested 1,000 deep", WithMember(sender, "\"deep\":" + std::string(1000, '[') + std::string(1000, ']'))},
      {"1,000 objects deep",
       WithMember(sender, "\"deep\":" + Repeated("{\"a\":", 1000) + "1" + std::string(1000, '}'))},
      {"nothing but brackets", std::string(100'000, '[')},
      {"invalid UTF-8", replaced("moon_1", "moon_\xff")},
      {"an overlong UTF-8 slash", replaced("moon_1", "moon_\xc0\xaf")},
      {"UTF-16", std::string("{\0\"\0i\0", 6)},
      {"a number of 1e400", replaced(created, "\"created\":1e400")},
      {"an integer of forty digits", replaced(created, "\"created\":" + std::string(40, '9'))},
      {"created in the year 10000", replaced(created, "\"created\":253402300800")},
      {"created before 1970", replaced(created, "\"created\":-1")},
      {"created at half a second", replaced(created, "\"created\":1700000000.5")},
      {"created as text", replaced(created, "\"created\":\"1700000000\"")},
      {"a NUL in the id", replaced(id, "evt\\u0000forged")},
      {"a bare NUL in the id", replaced(id, std::string("evt\0forged", 10))},
      {"a NUL in the type", replaced("moon.landed", "moon\\u0000landed")},
      {"a line break in the id", replaced(id, "evt\\nforged")},
      {"an id of 256 bytes", replaced(id, std::string(256, 'e'))},
      {"an empty id", replaced(id, "")},
      {"an id that is a number", replaced("\"evt_forged\"", "7")},
      {"an id that is an object", replaced("\"evt_forged\"", "{\"id\":\"evt_forged\"}")},
      {"a type of 256 bytes", replaced("moon.landed", std::string(256, 't'))},
      {"livemode as text", replaced("\"livemode\":false", "\"livemode\":\"false\"")},
      {"no id", with([](json& e) { e.erase("id"); })},
      {"no type", with([](json& e) { e.erase("type"); })},
      {"no created", with([](json& e) { e.erase("created"); })},
      {"no livemode", with([](json& e) { e.erase("livemode"); })},
      {"no data", with([](json& e) { e.erase("data"); })},
      {"no data.object", with([](json& e) { e["data"].erase("object"); })},
      {"data as a list", with([](json& e) { e["data"] = json::array({e["data"]}); })},
      {"data.object as a list", with([](json& e) { e["data"]["object"] = json::array({e["data"]["object"]}); })},
      {"data.object as text", with([](json& e) { e["data"]["object"] = "moon_1"; })},
      {"an account that is a list", WithMember(sender, "\"account\":[]")},
      {"a thin notification by the other endpoint's secret", thin},
      {"a whole event by the thin endpoint's secret", whole, true},
      {"a gzipped body, signed as it is", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10)},
  };
  std::vector<RawDelivery> broken;
  for (const auto& p : kPayloads) {
    const std::string& secret = p.by_thin_secret ? sender.thin_secret : sender.secret;
    broken.push_back({p.name, SignedRequest(p.body, secret, sender.now), 400, kMalformed, ""});
  }
  const std::string large = UnknownEventOfSize(id, sender.now, kMaxBody + 1), larger = large + std::string(1023, ' ');
  const auto in_chunks = [&](const std::string& body) {
    return Wire{Chunked(body),
                {Header(sender.secret, sender.now, body)},
                {},
                "POST",
                kPath,
                "HTTP/1.1",
                "Transfer-Encoding: chunked"}
        .Render();
  };
  broken.push_back({"no body", SignedRequest("", sender.secret, sender.now), 400, "webhook_body_missing", ""});
  broken.push_back(
      {"no body in chunks", in_chunks("").substr(0, in_chunks("").size() - 5), 400, "webhook_body_missing", ""});
  for (const std::string& body : {large, larger}) {
    const std::string name = absl::StrCat(body.size(), " bytes");
    broken.push_back({name, SignedRequest(body, sender.secret, sender.now), 413, "webhook_body_too_large", ""});
    broken.push_back({name + " in chunks", in_chunks(body), 413, "webhook_body_too_large", ""});
  }
  return broken;
}

std::vector<RawDelivery> BrokenRequests(const Sender& sender) {
  const std::string body = Whole(sender);
  const std::string length = absl::StrCat("Content-Length: ", body.size()), chunked = "Transfer-Encoding: chunked";
  Wire right{body, {Header(sender.secret, sender.now, body)}, {}};
  const auto framed = [&](const std::string& framing, const std::string& sent) {
    Wire wire = right;
    wire.framing = framing;
    wire.body = sent;
    return wire.Render();
  };
  const auto headed = [&](const std::string& line) {
    Wire wire = right;
    wire.more = {line};
    return wire.Render();
  };
  const auto to = [&](const std::string& verb, const std::string& path) {
    Wire wire = right;
    wire.verb = verb;
    wire.path = path;
    return wire.Render();
  };
  const std::string whole = right.Render();
  const std::string bad = "invalid_argument", none = "route_not_found";
  Wire swamped = right;
  swamped.signatures[0] += Repeated(",v1=" + std::string(64, '0'), 10'000);
  return {
      {"a length that is too short", framed(absl::StrCat("Content-Length: ", body.size() - 9), body), 400,
       kRefusedSignature, kMismatch},
      {"a length that is too long, then the end", framed(absl::StrCat("Content-Length: ", body.size() + 9), body), 400,
       bad, "", "", true},
      {"chunks without an end, then the end", framed(chunked, "4\r\n{\"id\r\n"), 400, bad, "", "", true},
      {"cut off within the header", whole.substr(0, 60), 400, bad, "", "", true},
      {"two lengths", framed(length + "\r\n" + length, body), 400, bad, ""},
      {"a length and chunks", framed(length + "\r\n" + chunked, Chunked(body)), 400, bad, ""},
      {"a length below zero", framed("Content-Length: -1", body), 400, bad, ""},
      {"a length with a sign", framed(absl::StrCat("Content-Length: +", body.size()), body), 400, bad, ""},
      {"a length of thirty digits", framed("Content-Length: " + std::string(30, '9'), body), 400, bad, ""},
      {"a length of 1 TiB", framed("Content-Length: 1099511627776", body), 413, "webhook_body_too_large", ""},
      {"chunks of no size", framed(chunked, "zz\r\n" + body), 400, bad, ""},
      {"a chunk of 2^64", framed(chunked, "10000000000000000\r\n" + body), 400, bad, ""},
      {"chunks in HTTP/1.0", absl::StrReplaceAll(framed(chunked, Chunked(body)), {{"HTTP/1.1", "HTTP/1.0"}}), 400, bad,
       ""},
      {"a coding that nobody knows", framed("Transfer-Encoding: gzip, chunked", Chunked(body)), 400, bad, ""},
      {"no length at all", framed("X-Nothing: 1", ""), 400, "webhook_body_missing", ""},
      {"no host", absl::StrReplaceAll(whole, {{"Host:", "X-Host:"}}), 400, bad, ""},
      {"HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, bad, ""},
      {"TLS where none is spoken", std::string("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 15), 400, bad, ""},
      {"10,000 signatures", swamped.Render(), 431, "request_header_too_large", ""},
      {"a header of 100 KiB", headed("X-Large: " + std::string(100 << 10, 'x')), 431, "request_header_too_large", ""},
      {"GET", to("GET", kPath), 405, "method_not_allowed", "", "Allow: POST"},
      {"PUT", to("PUT", kPath), 405, "method_not_allowed", "", "Allow: POST"},
      {"a verb that nobody knows", to("FORGE", kPath), 405, "method_not_allowed", "", "Allow: POST"},
      {"another provider", to("POST", "/api/billing/webhooks/paypal"), 404, none, ""},
      {"no provider", to("POST", "/api/billing/webhooks/"), 404, none, ""},
      {"a provider in capitals", to("POST", "/api/billing/webhooks/Stripe"), 404, none, ""},
      {"a path below", to("POST", absl::StrCat(kPath, "/events")), 404, none, ""},
  };
}

std::vector<RawDelivery> EndlessRequests(const Sender& sender) {
  const std::string body = Whole(sender);
  const std::vector<std::string> right = {Header(sender.secret, sender.now, body)};
  const auto begun = [&](const std::string& framing, const std::string& sent) {
    return Wire{sent, right, {}, "POST", kPath, "HTTP/1.1", framing}.Render();
  };
  return {
      {"chunks without an end", begun("Transfer-Encoding: chunked", "1\r\n \r\n"), 408, "request_timeout", ""},
      {"a length that is too long", begun(absl::StrCat("Content-Length: ", body.size() + 999), body), 408,
       "request_timeout", ""},
      {"a header without an end", begun("X-Slow: 1", "").substr(0, 100), 408, "request_timeout", ""},
  };
}

std::vector<RawDelivery> AcceptedOddities(const Sender& sender) {
  std::vector<RawDelivery> odd;
  const auto add = [&](const std::string& name, const std::function<void(Wire&, const std::string&)>& change) {
    Wire wire;
    wire.body = UnknownEvent(absl::StrCat("evt_odd_", odd.size()), sender.now);
    wire.signatures = {Header(sender.secret, sender.now, wire.body)};
    change(wire, Mac(sender.secret, sender.now, wire.body));
    odd.push_back({name, wire.Render(), 200, "", ""});
  };
  const std::string t = absl::StrCat("t=", sender.now), zeros(64, '0');
  add("as the provider sends it", [](Wire&, const std::string&) {});
  const auto header = [&](const std::string& name, const std::function<std::string(const std::string&)>& make) {
    add(name, [&](Wire& w, const std::string& mac) { w.signatures = {make(mac)}; });
  };
  header("the last of several signatures",
         [&](auto& mac) { return absl::StrCat(t, ",v1=", zeros, ",v1=", zeros, ",v1=", mac); });
  header("the first of 64 signatures", [&](auto& mac) { return absl::StrCat(t, ",v1=", mac, Repeated(",v1=0", 63)); });
  header("the signature before the time", [&](auto& mac) { return absl::StrCat("v1=", mac, ",", t); });
  header("the later of two times", [&](auto& mac) { return absl::StrCat("t=1,", t, ",v1=", mac); });
  header("a v0 and what nobody knows beside it",
         [&](auto& mac) { return absl::StrCat(t, ",v0=", zeros, ",v1=", mac, ",x,y=z"); });
  add("ten years in the future",
      [&](Wire& w, const std::string&) { w.signatures = {Header(sender.secret, sender.now + 315'360'000, w.body)}; });
  add("four minutes old",
      [&](Wire& w, const std::string&) { w.signatures = {Header(sender.secret, sender.now - 240, w.body)}; });
  add("HTTP/1.0", [](Wire& w, const std::string&) { w.version = "HTTP/1.0"; });
  add("in chunks", [](Wire& w, const std::string&) {
    w.body = Chunked(w.body);
    w.framing = "Transfer-Encoding: chunked";
  });
  add("a query behind the path", [](Wire& w, const std::string&) { w.path += "?from=somewhere"; });
  add("ids of the request that aren't any", [](Wire& w, const std::string&) {
    w.more = {"X-Request-Id: \xff\xfe", "traceparent: 00-zz", "Content-Encoding: identity"};
  });
  add("exactly 256 KiB", [&](Wire& w, const std::string&) {
    w.body = UnknownEventOfSize(absl::StrCat("evt_odd_", odd.size()), sender.now, kMaxBody);
    w.signatures = {Header(sender.secret, sender.now, w.body)};
  });
  return odd;
}

}  // namespace billmesh::testing
