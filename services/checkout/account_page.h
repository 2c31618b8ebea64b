// Pages of what an entity has, newest first: their size, and the opaque token of the place where one ended. A token
// names its list and its entity, and is refused by every other: it can neither be used nor mistaken elsewhere. It holds
// nothing that the page before it didn't show, and grants nothing: access is decided by the caller. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace billmesh::checkout {

inline constexpr int kDefaultPageSize = 20;
inline constexpr int kMaxPageSize = 100;

// Which list of which entity.
struct PagedList {
  std::string_view name;
  std::string_view entity_id;
};

// The last row of a page, in the order (created_at, id).
struct PagePlace {
  absl::Time created_at;  // whole microseconds, as the database has it
  std::string id;
};

struct PageRequest {
  int size = kDefaultPageSize;
  std::optional<PagePlace> after;  // none: from the newest on
};

template <typename Row>
struct Page {
  std::vector<Row> rows;
  std::string next_token;  // empty on the last page
};

std::string EncodePageToken(const PagedList& list, const PagePlace& place);

// INVALID_ARGUMENT with the field: a size that isn't 0 (the default) to kMaxPageSize, a token that EncodePageToken
// didn't make for this list. An empty token is the first page's.
absl::StatusOr<PageRequest> ReadPageRequest(const PagedList& list, int32_t page_size, std::string_view page_token);

// The page out of rows of which one more than its size was asked for. Rows have created_at and id.
template <typename Row>
Page<Row> CutPage(const PagedList& list, const PageRequest& request, std::vector<Row> rows) {
  Page<Row> page{std::move(rows), ""};
  if (page.rows.size() > static_cast<size_t>(request.size)) {
    page.rows.resize(static_cast<size_t>(request.size));
    page.next_token = EncodePageToken(list, {page.rows.back().created_at, page.rows.back().id});
  }
  return page;
}

}  // namespace billmesh::checkout
