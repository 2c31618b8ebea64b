#pragma once

// Refusals in Stripe's form. Handlers throw ApiError; Simulator::Handle is the only place that
// catches it and turns it into an answer.

#include <exception>
#include <string>
#include <string_view>

#include "tests/stripesim/json.h"

namespace stripesim {

struct ApiError : std::exception {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string code;   // may be empty: some of Stripe's refusals have none
  std::string param;  // may be empty
  std::string message;
  Json extra = Json::object();  // further members of "error", e.g. decline_code, charge

  // Refused before the endpoint ran: Stripe doesn't store such an answer under the idempotency key.
  bool before_execution = false;

  const char* what() const noexcept override { return message.c_str(); }
};

// 404 where `param` is "id" (the path), else 400: "No such customer: 'cus_1'".
ApiError ResourceMissing(std::string_view noun, std::string_view id, std::string_view param = "id");
// A refusal of the parameters' form, before anything ran.
ApiError Invalid(std::string_view code, std::string_view param, std::string message);
// A refusal by the endpoint, because of the state of the world.
ApiError Refused(std::string message, std::string_view param = "", std::string_view code = "");
ApiError MissingParam(std::string_view param);
ApiError UnknownParam(std::string_view param);
ApiError Unauthorized(std::string message);
ApiError Forbidden(std::string message);
ApiError CardDeclined(std::string_view decline_code, std::string_view charge_id);
ApiError RateLimited();
ApiError InternalError();
ApiError UnknownRoute(std::string_view method, std::string_view path);
ApiError IdempotencyKeyInUse(std::string_view key);
ApiError IdempotencyMismatch(std::string message);

// The body of the answer. `request_id` and `created` make the request_log_url.
Json ErrorBody(const ApiError& error, std::string_view request_id, int64_t created, bool livemode);

}  // namespace stripesim
