#include "tests/stripesim/error.h"

#include <utility>

namespace stripesim {
namespace {

ApiError Make(int status, std::string_view type, std::string_view code, std::string_view param, std::string message) {
  ApiError error;
  error.status = status;
  error.type = std::string(type);
  error.code = std::string(code);
  error.param = std::string(param);
  error.message = std::move(message);
  return error;
}

ApiError Early(ApiError error) {
  error.before_execution = true;
  return error;
}

constexpr std::string_view kInvalidRequest = "invalid_request_error";

}  // namespace

ApiError ResourceMissing(std::string_view noun, std::string_view id, std::string_view param) {
  return Make(param == "id" ? 404 : 400, kInvalidRequest, "resource_missing", param,
              "No such " + std::string(noun) + ": '" + std::string(id) + "'");
}

ApiError Invalid(std::string_view code, std::string_view param, std::string message) {
  return Early(Make(400, kInvalidRequest, code, param, std::move(message)));
}

ApiError Refused(std::string message, std::string_view param, std::string_view code) {
  return Make(400, kInvalidRequest, code, param, std::move(message));
}

ApiError MissingParam(std::string_view param) {
  return Invalid("parameter_missing", param, "Missing required param: " + std::string(param) + ".");
}

ApiError UnknownParam(std::string_view param) {
  return Invalid("parameter_unknown", param, "Received unknown parameter: " + std::string(param));
}

ApiError Unauthorized(std::string message) { return Early(Make(401, kInvalidRequest, "", "", std::move(message))); }

ApiError Forbidden(std::string message) { return Early(Make(403, kInvalidRequest, "", "", std::move(message))); }

ApiError CardDeclined(std::string_view decline_code, std::string_view charge_id) {
  ApiError error = Make(402, "card_error", "card_declined", "", "Your card was declined.");
  error.extra["decline_code"] = decline_code;
  if (!charge_id.empty()) error.extra["charge"] = charge_id;
  return error;
}

ApiError RateLimited() {
  return Early(Make(429, kInvalidRequest, "rate_limit", "",
                    "Request rate limit exceeded. Learn more about rate limits here "
                    "https://stripe.com/docs/rate-limits."));
}

ApiError InternalError() {
  return Make(500, "api_error", "", "", "An unknown error occurred. If you contact support, quote the request id.");
}

ApiError UnknownRoute(std::string_view method, std::string_view path) {
  return Early(Make(404, kInvalidRequest, "", "",
                    "Unrecognized request URL (" + std::string(method) + ": " + std::string(path) +
                        "). If you are trying to list objects, remove the trailing slash. If you "
                        "are trying to retrieve an object, make sure you passed a valid (non-empty)"
                        " identifier in your code."));
}

ApiError IdempotencyKeyInUse(std::string_view key) {
  return Early(Make(409, kInvalidRequest, "idempotency_key_in_use", "",
                    "There is currently another in-progress request using this Idempotent Key "
                    "(that probably means you submitted twice, and the other request is still "
                    "going through): " +
                        std::string(key) +
                        ". If you're using this key on purpose, try again "
                        "later."));
}

ApiError IdempotencyMismatch(std::string message) {
  return Early(Make(400, "idempotency_error", "", "", std::move(message)));
}

Json ErrorBody(const ApiError& error, std::string_view request_id, int64_t created, bool livemode) {
  Json body = Json::object();
  if (!error.code.empty()) {
    body["code"] = error.code;
    std::string slug = error.code;
    for (char& c : slug) c = c == '_' ? '-' : c;
    body["doc_url"] = "https://stripe.com/docs/error-codes/" + slug;
  }
  body["message"] = error.message;
  if (!error.param.empty()) body["param"] = error.param;
  body["request_log_url"] = std::string("https://dashboard.stripe.com/") + (livemode ? "" : "test/") + "logs/" +
                            std::string(request_id) + "?t=" + std::to_string(created);
  body["type"] = error.type;
  for (const auto& [name, value] : error.extra.items()) body[name] = value;
  return Json{{"error", body}};
}

}  // namespace stripesim
