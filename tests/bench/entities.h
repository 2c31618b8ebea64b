// The entities that benchmarks work on.
#pragma once

#include <string>

#include "tests/support/mesh.h"

namespace billmesh::bench {

// Ends the benchmark: what it measured would mean nothing.
[[noreturn]] void Die(const std::string& what);

// Workspaces number `first` to `first + count - 1`, with a customer link (cus_bench<n>) and an active subscription
// (sub_bench<n>) to the sample catalog's paid plan.
void MakeEntities(testing::Mesh& mesh, int first, int count);

// Of the first `count` of these, a payment each and its refund, as of customers who have been there for a while. A plan
// that was made while a table was empty reads all of it, until autovacuum analyzes the table.
void MakePayments(testing::Mesh& mesh, int count);

// The provider's id of the paid plan's base price.
std::string BasePrice(testing::Mesh& mesh);

}  // namespace billmesh::bench
