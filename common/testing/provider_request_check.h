// A second opinion on requests that tests see our Stripe client send: the reference data's JSON schemas of every
// operation's parameters. The implementation is the simulator's (tests/support), so that our client's code has no part
// in it: link billmesh_test_request_check.
#pragma once

#include <string>
#include <string_view>

namespace billmesh::testing {

// What is wrong with the request; empty when it fits, and always where the reference data is missing (said once on
// standard error). `parameters` is the form of a POST's body, or another request's query.
std::string ProviderRequestFault(std::string_view method, std::string_view path, std::string_view parameters);

}  // namespace billmesh::testing
