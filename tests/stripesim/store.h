#pragma once

// All objects of the simulated account, by id, listable newest first. Not thread-safe: guarded by
// the simulator's mutex.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/stripesim/json.h"

namespace stripesim {

// `json` is the object in the newest API version's shape, plus "_legacy" with what older versions
// need and newer ones lost (shapes.h renders both). `priv` is the simulator's own memory of it.
struct Object {
  std::string kind;  // Stripe's "object"
  std::string id;
  uint64_t seq = 0;  // creation order
  bool deleted = false;
  Json json;
  Json priv = Json::object();
  std::vector<std::pair<std::string, std::string>> indexed;  // Store's own
};

class Store {
 public:
  Store();

  // Takes an object that has "id" and "object".
  Object& Insert(Json json, Json priv = Json::object());
  // nullptr where unknown or of another kind. Deleted objects are found, with `deleted` set.
  Object* Find(std::string_view kind, std::string_view id);
  const Object* Find(std::string_view kind, std::string_view id) const;
  // Any kind.
  Object* FindAny(std::string_view id);

  // To be called after a change of fields that lists filter by.
  void Reindex(Object& object);

  // Newest first; `field` empty: all of the kind, else those whose `field` (indexed) equals
  // `value`, checked. Stops when `visit` returns false.
  void ForEach(std::string_view kind, std::string_view field, std::string_view value,
               const std::function<bool(Object&)>& visit);
  bool IsIndexed(std::string_view kind, std::string_view field) const;
  size_t Count(std::string_view kind) const;

 private:
  using Bucket = std::vector<Object*>;  // ascending seq
  struct Collection {
    Bucket all;
    std::vector<std::string> fields;
    std::unordered_map<std::string, Bucket> index;  // "field=value"
  };

  std::unordered_map<std::string, std::unique_ptr<Object>> objects_;
  std::unordered_map<std::string, Collection> collections_;
  uint64_t next_seq_ = 1;
};

}  // namespace stripesim
