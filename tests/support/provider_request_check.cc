#include "common/testing/provider_request_check.h"

#include <cstdio>
#include <exception>

#include "tests/stripesim/error.h"
#include "tests/stripesim/form.h"
#include "tests/stripesim/routes.h"
#include "tests/stripesim/schema_check.h"
#include "tests/support/request_schemas.h"

namespace billmesh::testing {
namespace {

struct Schemas {
  stripesim::SchemaSet set;
  stripesim::Json operations;  // to tell one that fits from one that the file doesn't have
};

// nullptr where the file is missing.
const Schemas* LoadOnce() {
  static const Schemas* const schemas = []() -> const Schemas* {
    const std::string path = RequestSchemasFile();
    if (path.empty()) return nullptr;
    return new Schemas{stripesim::SchemaSet(path), stripesim::Json::parse(ReadWholeFile(path))};
  }();
  return schemas;
}

}  // namespace

std::string ProviderRequestFault(std::string_view method, std::string_view path, std::string_view parameters) {
  const std::string request = std::string(method) + " " + std::string(path);
  try {
    const Schemas* schemas = LoadOnce();
    if (schemas == nullptr) return "";
    const stripesim::Route* route = stripesim::FindRoute(method, path).route;
    if (route == nullptr) return request + ": no such operation";
    if (!schemas->operations.contains(route->operation)) return request + ": the schemas don't have this operation";
    schemas->set.Check(route->operation, stripesim::NestForm(stripesim::ParseForm(parameters)));
    return "";
  } catch (const std::exception& fault) {
    return request + ": " + fault.what();
  }
}

}  // namespace billmesh::testing
