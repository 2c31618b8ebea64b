#include "tests/stripesim/store.h"

#include <algorithm>

namespace stripesim {
namespace {

// What lists can filter by without walking everything.
const std::pair<const char*, std::vector<std::string>> kIndexed[] = {
    {"customer", {"email"}},
    {"price", {"product", "lookup_key"}},
    {"checkout.session", {"customer", "subscription", "payment_intent", "payment_link"}},
    {"subscription", {"customer"}},
    {"invoice", {"customer", "_subscription"}},
    {"invoice_payment", {"invoice", "_payment_intent"}},
    {"payment_intent", {"customer"}},
    {"charge", {"customer", "payment_intent"}},
    {"refund", {"charge", "payment_intent"}},
    {"payment_method", {"customer"}},
    {"credit_note", {"customer", "invoice"}},
    {"dispute", {"charge", "payment_intent"}},
};

// A field that starts with "_" is one that stands deeper in the object.
std::string FieldValue(const Json& json, const std::string& field) {
  if (field == "_subscription") {
    return Str(At(At(json, "parent"), "subscription_details"), "subscription");
  }
  if (field == "_payment_intent") return Str(At(json, "payment"), "payment_intent");
  return Str(json, field);
}

}  // namespace

Store::Store() {
  for (const auto& [kind, fields] : kIndexed) collections_[kind].fields = fields;
}

Object& Store::Insert(Json json, Json priv) {
  auto object = std::make_unique<Object>();
  object->kind = Str(json, "object");
  object->id = Str(json, "id");
  object->seq = next_seq_++;
  object->json = std::move(json);
  object->priv = std::move(priv);
  Object& reference = *object;
  collections_[reference.kind].all.push_back(&reference);
  objects_[reference.id] = std::move(object);
  Reindex(reference);
  return reference;
}

Object* Store::FindAny(std::string_view id) {
  auto it = objects_.find(std::string(id));
  return it == objects_.end() ? nullptr : it->second.get();
}

Object* Store::Find(std::string_view kind, std::string_view id) {
  Object* object = FindAny(id);
  return object != nullptr && object->kind == kind ? object : nullptr;
}

const Object* Store::Find(std::string_view kind, std::string_view id) const {
  return const_cast<Store*>(this)->Find(kind, id);
}

void Store::Reindex(Object& object) {
  Collection& collection = collections_[object.kind];
  for (const std::string& field : collection.fields) {
    const std::string value = FieldValue(object.json, field);
    if (value.empty()) continue;
    std::pair<std::string, std::string> entry{field, value};
    // Entries of earlier values stay: ForEach checks the present one.
    if (std::find(object.indexed.begin(), object.indexed.end(), entry) != object.indexed.end()) {
      continue;
    }
    Bucket& bucket = collection.index[field + "=" + value];
    bucket.insert(std::upper_bound(bucket.begin(), bucket.end(), &object,
                                   [](const Object* a, const Object* b) { return a->seq < b->seq; }),
                  &object);
    object.indexed.push_back(std::move(entry));
  }
}

bool Store::IsIndexed(std::string_view kind, std::string_view field) const {
  auto it = collections_.find(std::string(kind));
  return it != collections_.end() &&
         std::find(it->second.fields.begin(), it->second.fields.end(), field) != it->second.fields.end();
}

void Store::ForEach(std::string_view kind, std::string_view field, std::string_view value,
                    const std::function<bool(Object&)>& visit) {
  auto found = collections_.find(std::string(kind));
  if (found == collections_.end()) return;
  const Bucket* bucket = &found->second.all;
  const std::string name(field);
  if (!name.empty()) {
    auto indexed = found->second.index.find(name + "=" + std::string(value));
    if (indexed == found->second.index.end()) return;
    bucket = &indexed->second;
  }
  for (size_t i = bucket->size(); i > 0; --i) {
    Object& object = *(*bucket)[i - 1];
    if (!name.empty() && FieldValue(object.json, name) != value) continue;
    if (!visit(object)) return;
  }
}

size_t Store::Count(std::string_view kind) const {
  auto it = collections_.find(std::string(kind));
  return it == collections_.end() ? 0 : it->second.all.size();
}

}  // namespace stripesim
