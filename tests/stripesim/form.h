#pragma once

// Form encoding with brackets, as Stripe's clients send it, for bodies and query strings alike.

#include <string>
#include <string_view>
#include <vector>

#include "tests/stripesim/json.h"

namespace stripesim {

inline constexpr size_t kMaxFormPairs = 2000;
inline constexpr size_t kMaxFormDepth = 10;

struct FormPair {
  std::string key;
  std::string value;
};

std::string UrlDecode(std::string_view text, bool plus_is_space = true);
std::string UrlEncode(std::string_view text);

// Splits `a=b&c[d]=e`. Throws ApiError on bytes that aren't UTF-8 and on too many pairs.
std::vector<FormPair> ParseForm(std::string_view encoded);

// Nests the pairs: `a[b][0]=c` becomes {"a":{"b":{"0":"c"}}}. Arrays stay objects with the index as
// the name, because only the parameter's specification tells metadata[0] from items[0]; `a[]=x`
// takes the next free index. All leaves are strings. Throws ApiError where a name is used both as
// a value and as a hash, or nests too deep.
Json NestForm(const std::vector<FormPair>& pairs);

// One text for one set of parameters, whatever their order: what idempotency compares.
std::string CanonicalForm(const std::vector<FormPair>& pairs);

// Whether the names of `node` (an object) are 0..n-1 in any order, so that it can be an array.
bool LooksLikeArray(const Json& node);

}  // namespace stripesim
