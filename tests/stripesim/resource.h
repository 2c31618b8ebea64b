#pragma once

// What the handlers of all resources share: looking things up, listing, expanding, metadata.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/stripesim/json.h"
#include "tests/stripesim/world.h"

namespace stripesim {

// One API request on its way through a handler: `p` are the checked, typed parameters, `ids` the
// variable segments of the path in order, `version` the request's API version.
struct Call {
  World& w;
  const Json& p;
  std::vector<std::string> ids;
  std::string version;
};

// Returns the answer's object in the newest shape; throws ApiError.
using ApiHandler = Json (*)(Call&);

// Throws resource_missing where there is none (deleted ones count as missing). `noun` as Stripe
// says it: "customer", "checkout.session", "price".
Object& Require(World& w, std::string_view kind, std::string_view id, std::string_view param = "id");

// The base of a new object, in Stripe's order: id, object.
Json NewObject(World& w, std::string_view kind);

// {"id":…,"object":…,"deleted":true}
Json DeletedStub(const Object& object);

// Merges params["metadata"] (already checked) into object["metadata"]: "" removes a key, "" as a
// whole removes all.
void ApplyMetadata(Json& object, const Json& params);

// Copies the members of `params` named, where present.
void CopyParams(Json& object, const Json& params, std::initializer_list<const char*> names);

Json EmptyList(const std::string& url);
Json MakeList(const std::string& url, Json data, bool has_more = false);

// A page of objects of `kind` by the request's parameters: created, limit, cursors; every parameter
// named in `equal` ("param" or "param=field") that is given must equal the field; `accept` may
// refuse more.
Json ListObjects(Call& call, std::string_view kind, const std::string& url, const std::vector<std::string>& equal,
                 const std::function<bool(const Object&)>& accept = nullptr);

// Cuts a page out of `data` (newest first, elements with ids) by the request's parameters.
Json Page(const Call& call, const std::string& url, const Json& data);

// Whether `value` lies in the range parameter (integer or {gt,gte,lt,lte}); null: any.
bool InRange(const Json& range, int64_t value);

// The parameter `limit`, 1..100.
size_t PageLimit(const Json& params);

// Expands the paths in params["expand"] within an answer, as Stripe does.
void Expand(Call& call, Json& answer);

}  // namespace stripesim
