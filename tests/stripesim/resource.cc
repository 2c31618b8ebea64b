#include "tests/stripesim/resource.h"

#include <algorithm>
#include <utility>

#include "tests/stripesim/error.h"

namespace stripesim {
namespace {

constexpr int64_t kDefaultPage = 10;
constexpr int64_t kMaxPage = 100;

struct Cursor {
  uint64_t after = UINT64_MAX;  // only older than this
  uint64_t before = 0;          // only newer than this
  bool backwards = false;       // ending_before: the ones next to the cursor
};

Cursor CursorOf(Call& call, std::string_view kind) {
  Cursor cursor;
  if (const std::string id = Str(call.p, "starting_after"); !id.empty()) {
    const Object* object = call.w.store.Find(kind, id);
    if (object == nullptr) throw ResourceMissing(kind, id, "starting_after");
    cursor.after = object->seq;
  }
  if (const std::string id = Str(call.p, "ending_before"); !id.empty()) {
    const Object* object = call.w.store.Find(kind, id);
    if (object == nullptr) throw ResourceMissing(kind, id, "ending_before");
    cursor.before = object->seq;
    cursor.backwards = true;
  }
  return cursor;
}

struct Filter {
  std::string param;
  std::string field;
};

std::vector<Filter> FiltersOf(const Json& params, const std::vector<std::string>& equal) {
  std::vector<Filter> filters;
  for (const std::string& text : equal) {
    const size_t split = text.find('=');
    Filter filter{text.substr(0, split), split == std::string::npos ? text : text.substr(split + 1)};
    if (Has(params, filter.param)) filters.push_back(std::move(filter));
  }
  return filters;
}

}  // namespace

Object& Require(World& w, std::string_view kind, std::string_view id, std::string_view param) {
  Object* object = w.store.Find(kind, id);
  if (object == nullptr || object->deleted) {
    std::string noun = kind == "payment_method" ? "PaymentMethod" : std::string(kind);
    throw ResourceMissing(noun, id, param);
  }
  return *object;
}

Json NewObject(World& w, std::string_view kind) { return Json{{"id", w.NewId(kind)}, {"object", kind}}; }

Json DeletedStub(const Object& object) { return Json{{"id", object.id}, {"object", object.kind}, {"deleted", true}}; }

void ApplyMetadata(Json& object, const Json& params) {
  if (!object.contains("metadata")) object["metadata"] = Json::object();
  if (!params.contains("metadata")) return;
  const Json& change = params["metadata"];
  if (change.is_null()) {
    object["metadata"] = Json::object();
    return;
  }
  for (const auto& [key, value] : change.items()) {
    if (value.get_ref<const std::string&>().empty()) {
      object["metadata"].erase(key);
    } else {
      object["metadata"][key] = value;
    }
  }
}

void CopyParams(Json& object, const Json& params, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (params.contains(name)) object[name] = params[name];
  }
}

Json MakeList(const std::string& url, Json data, bool has_more) {
  return Json{{"object", "list"}, {"data", std::move(data)}, {"has_more", has_more}, {"url", url}};
}

Json EmptyList(const std::string& url) { return MakeList(url, Json::array()); }

bool InRange(const Json& range, int64_t value) {
  if (range.is_null()) return true;
  if (range.is_number()) return value == range.get<int64_t>();
  if (Has(range, "gt") && value <= Int(range, "gt")) return false;
  if (Has(range, "gte") && value < Int(range, "gte")) return false;
  if (Has(range, "lt") && value >= Int(range, "lt")) return false;
  return !Has(range, "lte") || value <= Int(range, "lte");
}

size_t PageLimit(const Json& params) {
  const int64_t limit = Int(params, "limit", kDefaultPage);
  if (limit < 1) {
    throw Invalid("parameter_invalid_integer", "limit", "This value must be greater than or equal to 1.");
  }
  if (limit > kMaxPage) {
    throw Invalid("parameter_invalid_integer", "limit",
                  "This value must be less than or equal to 100 (it currently is '" + std::to_string(limit) + "').");
  }
  return static_cast<size_t>(limit);
}

Json ListObjects(Call& call, std::string_view kind, const std::string& url, const std::vector<std::string>& equal,
                 const std::function<bool(const Object&)>& accept) {
  const size_t limit = PageLimit(call.p);
  const Cursor cursor = CursorOf(call, kind);
  const std::vector<Filter> filters = FiltersOf(call.p, equal);
  std::string index_field;
  std::string index_value;
  for (const Filter& filter : filters) {
    if (index_field.empty() && call.w.store.IsIndexed(kind, filter.field)) {
      index_field = filter.field;
      index_value = Str(call.p, filter.param);
    }
  }
  std::vector<const Object*> found;
  bool more = false;
  call.w.store.ForEach(kind, index_field, index_value, [&](Object& object) {
    if (object.seq <= cursor.before) return false;
    if (object.deleted || object.seq >= cursor.after) return true;
    for (const Filter& filter : filters) {
      if (filter.field == index_field) continue;
      if (At(object.json, filter.field) != At(call.p, filter.param)) return true;
    }
    if (!InRange(At(call.p, "created"), Int(object.json, "created"))) return true;
    if (accept && !accept(object)) return true;
    if (!cursor.backwards && found.size() == limit) {
      more = true;
      return false;
    }
    found.push_back(&object);
    return true;
  });
  size_t first = 0;
  if (cursor.backwards && found.size() > limit) {
    // The page next to the cursor: the oldest of what is newer than it.
    first = found.size() - limit;
    more = true;
  }
  Json data = Json::array();
  for (size_t i = first; i < found.size(); ++i) data.push_back(found[i]->json);
  return MakeList(url, std::move(data), more);
}

Json Page(const Call& call, const std::string& url, const Json& data) {
  const size_t limit = PageLimit(call.p);
  size_t begin = 0;
  size_t end = data.size();
  const std::string after = Str(call.p, "starting_after");
  const std::string before = Str(call.p, "ending_before");
  for (size_t i = 0; i < data.size(); ++i) {
    if (!after.empty() && Str(data[i], "id") == after) begin = i + 1;
    if (!before.empty() && Str(data[i], "id") == before) end = i;
  }
  bool more = false;
  if (end - std::min(begin, end) > limit) {
    more = true;
    if (before.empty()) {
      end = begin + limit;
    } else {
      begin = end - limit;
    }
  }
  Json page = Json::array();
  for (size_t i = begin; i < end; ++i) page.push_back(data[i]);
  return MakeList(url, std::move(page), more);
}

}  // namespace stripesim
