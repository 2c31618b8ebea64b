// The reference data as deliveries: every recorded event, and every single object wrapped into an event of its type.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/testing/shared_data.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace billmesh::testing {

struct RecordedEvent {
  std::string file;
  std::string id;
  // The customer that it is about; empty for none.
  std::string customer;
  bool livemode = false;
  // What is delivered: a recording's own bytes; see AllRecordedEvents.
  std::string payload;
};

// How many there are.
inline constexpr int kRecordedEvents = 71, kRecordedObjects = 21;

inline RecordedEvent ToRecordedEvent(const std::string& file, std::string payload) {
  const nlohmann::json event = nlohmann::json::parse(payload);
  const nlohmann::json& object = event.at("data").at("object");
  RecordedEvent recorded{file, event.at("id"), "", event.at("livemode"), std::move(payload)};
  const bool is_customer = object.value("object", "") == "customer";
  const auto customer = object.find(is_customer ? "id" : "customer");
  if (customer != object.end() && customer->is_string()) recorded.customer = *customer;
  if (customer != object.end() && customer->is_object()) recorded.customer = customer->at("id");
  return recorded;
}

inline std::vector<std::filesystem::path> SortedFiles(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// An event around a single object, of the type under which such an object comes.
inline nlohmann::json WrapObject(const std::string& id, nlohmann::json object) {
  static const std::map<std::string, std::string> kTypeOfObject = {
      {"billing_portal.session", "billing_portal.session.created"},
      {"charge", "charge.updated"},
      {"checkout.session", "checkout.session.completed"},
      {"customer", "customer.updated"},
      {"entitlements.active_entitlement_summary", "entitlements.active_entitlement_summary.updated"},
      {"invoice", "invoice.updated"},
      {"payment_intent", "payment_intent.created"},
      {"payment_link", "payment_link.updated"},
      {"payment_method", "payment_method.updated"},
      {"price", "price.updated"},
      {"subscription", "customer.subscription.updated"},
  };
  const auto type = kTypeOfObject.find(object.at("object").get<std::string>());
  EXPECT_NE(type, kTypeOfObject.end()) << object.at("object") << " has no type of event in this test";
  return {{"id", id},
          {"object", "event"},
          {"api_version", "2026-10-28.endive"},
          {"created", 1'790'000'000},
          {"livemode", object.value("livemode", false)},
          {"type", type == kTypeOfObject.end() ? "unknown" : type->second},
          {"request", {{"id", "req_1"}, {"idempotency_key", nullptr}}},
          {"data", {{"object", std::move(object)}}}};
}

// Recordings keep their bytes, but for the event's id where an earlier one has the same (several recordings share one).
inline std::vector<RecordedEvent> AllRecordedEvents(const std::filesystem::path& data) {
  std::vector<RecordedEvent> events;
  std::set<std::string> ids;
  for (const auto& file : SortedFiles(data / "events-2020-03-02")) {
    std::string payload = ReadWholeFile(file);
    const std::string id = nlohmann::json::parse(payload).at("id");
    if (!ids.insert(id).second) {
      const std::string own = id + "_" + std::to_string(events.size());
      payload.replace(payload.find("\"" + id + "\""), id.size() + 2, "\"" + own + "\"");
      EXPECT_EQ(nlohmann::json::parse(payload).at("id"), own) << file;
    }
    events.push_back(ToRecordedEvent(file.filename(), std::move(payload)));
  }
  for (const auto& file : SortedFiles(data / "objects")) {
    const std::string id = "evt_object_" + std::to_string(events.size());
    events.push_back(
        ToRecordedEvent(file.filename(), WrapObject(id, nlohmann::json::parse(ReadWholeFile(file))).dump()));
  }
  EXPECT_EQ(events.size(), size_t{kRecordedEvents + kRecordedObjects}) << "the reference data has changed";
  return events;
}

// The same as if it had happened in the provider's other mode, under an id of its own.
inline RecordedEvent InOtherMode(const RecordedEvent& recorded) {
  nlohmann::json event = nlohmann::json::parse(recorded.payload);
  event["id"] = recorded.id + "_other_mode";
  event["livemode"] = !recorded.livemode;
  nlohmann::json& object = event["data"]["object"];
  if (object.contains("livemode")) object["livemode"] = !recorded.livemode;
  return ToRecordedEvent(recorded.file, event.dump());
}

}  // namespace billmesh::testing
