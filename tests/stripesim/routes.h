#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/stripesim/params.h"
#include "tests/stripesim/resource.h"

namespace stripesim {

struct Route {
  std::string method;
  std::string pattern;    // "/v1/customers/{id}"
  std::string operation;  // "GET /v1/customers/{id}"
  ApiHandler handler;
  const ParamSpec* spec;
  std::vector<std::string> segments;
};

struct RouteMatch {
  const Route* route = nullptr;  // nullptr: no such endpoint
  std::vector<std::string> ids;
};

RouteMatch FindRoute(std::string_view method, std::string_view path);
const std::vector<Route>& AllRoutes();

}  // namespace stripesim
