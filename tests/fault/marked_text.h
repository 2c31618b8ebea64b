// One life for many tenants: a text of the provider's in which every id can be made a tenant's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace billmesh::convergence {

class MarkedText {
 public:
  MarkedText() = default;
  // Finds the provider's ids of a life's objects, our operation keys, and where our entity's id stands.
  explicit MarkedText(std::string_view text);

  // The text with `suffix` after each id, and the entity's id in its places. Suffixes of one length keep the order of
  // ids.
  std::string For(std::string_view suffix, std::string_view entity_id) const;

 private:
  struct Piece {
    std::string text;
    bool entity = false;  // what follows it: the entity's id, else the suffix
  };
  std::vector<Piece> pieces_;
  std::string rest_;
};

// The text without the tenant's suffix.
std::string WithoutSuffix(std::string text, std::string_view suffix);

}  // namespace billmesh::convergence
