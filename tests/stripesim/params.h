#pragma once

// What parameters an endpoint takes, in a small language, and the check of a request against it.
//
//   s string   i integer   n number   b boolean   t timestamp   m metadata   x anything
//   r integer or range {gt,gte,lt,lte}   e(a|b) one of   [T] array of T   {name:T …} hash
//   <T> hash of T under names of the caller's choice   <~T> the same; each may be emptied with ""
//   name!:T required   name~:T may be emptied with ""   name<2026-09-30:T gone since that version
//
// Every endpoint also takes `expand`; one that starts with `list` takes the page parameters too.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/stripesim/json.h"

namespace stripesim {

struct ParamSpec {
  enum class Kind { kString, kInteger, kNumber, kBoolean, kMetadata, kAny, kRange, kEnum, kArray, kHash, kMap };
  Kind kind = Kind::kHash;
  bool required = false;
  bool clearable = false;
  std::string gone_since;                                 // empty: never
  std::vector<std::string> values;                        // of kEnum
  std::vector<std::pair<std::string, ParamSpec>> fields;  // of kHash
  std::shared_ptr<const ParamSpec> item;                  // of kArray and kMap

  const ParamSpec* Field(std::string_view name) const;
};

// Parses the language above. A mistake in a table is a programming error: throws std::logic_error.
ParamSpec ParseSpec(std::string_view text);

// Checks the nested form `raw` and returns it typed: integers, booleans, arrays, null for emptied
// values. Throws ApiError in Stripe's form on the first thing that doesn't fit. `version` is the
// request's Stripe-Version.
Json CheckParams(const ParamSpec& spec, const Json& raw, std::string_view version);

// Metadata with Stripe's limits (50 pairs, keys of 40 without brackets, values of 500).
Json CheckMetadata(const Json& raw, const std::string& param);

// The table (params_table.cc): "POST /v1/customers" → its parameters. nullptr where unknown.
const ParamSpec* SpecOf(std::string_view operation);

}  // namespace stripesim
