#include "services/webhook/projection_server.h"

#include <functional>

#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::webhook {
namespace {

namespace pb = ::billing::webhook::v1;

pb::ProjectRequest Request(int objects = 1) {
  pb::ProjectRequest request;
  request.set_provider("stripe");
  for (int i = 0; i < objects; ++i) {
    pb::FetchedObject& object = *request.add_objects();
    object.set_kind("subscription");
    object.set_object_json("{}");
    object.mutable_provider_date()->set_seconds(1'790'000'000);
    object.mutable_provider_date()->set_nanos(999'999'999);
  }
  return request;
}

TEST(ProjectRequestTest, IsTakenInItsOrderAndDatedByWholeSeconds) {
  pb::ProjectRequest request = Request(kMaxFetchedObjects);
  request.mutable_objects(1)->set_kind("invoice");
  const auto objects = ReadProjectRequest(request, "stripe");
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), static_cast<size_t>(kMaxFetchedObjects));
  EXPECT_EQ(objects->at(0).kind, "subscription");
  EXPECT_EQ(objects->at(1).kind, "invoice");
  EXPECT_EQ(objects->at(0).object_json, "{}");
  EXPECT_EQ(objects->at(0).provider_date, absl::FromUnixSeconds(1'790'000'000));
}

TEST(ProjectRequestTest, AMistakeOfTheCallersNamesItsField) {
  const auto field = [](const std::function<void(pb::ProjectRequest&)>& spoil) {
    pb::ProjectRequest request = Request(2);
    spoil(request);
    const auto objects = ReadProjectRequest(request, "stripe");
    if (objects.ok()) return std::string("ok");
    EXPECT_EQ(ReasonOf(objects.status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
    return MetadataOf(objects.status())["field"];
  };
  EXPECT_EQ(field([](auto&) {}), "ok");
  EXPECT_EQ(field([](auto& r) { r.set_provider("paypal"); }), "provider");
  EXPECT_EQ(field([](auto& r) { r.clear_provider(); }), "provider");
  EXPECT_EQ(field([](auto& r) { r.clear_objects(); }), "objects");
  EXPECT_EQ(field([](auto& r) { r = Request(kMaxFetchedObjects + 1); }), "objects");
  EXPECT_EQ(field([](auto& r) { r.mutable_objects(1)->set_kind("payment_link"); }), "objects[1].kind");
  EXPECT_EQ(field([](auto& r) { r.mutable_objects(1)->clear_provider_date(); }), "objects[1].provider_date");
  EXPECT_EQ(field([](auto& r) { r.mutable_objects(0)->mutable_provider_date()->set_seconds(-1); }),
            "objects[0].provider_date");
  EXPECT_EQ(field([](auto& r) { r.mutable_objects(0)->mutable_provider_date()->set_seconds(int64_t{1} << 40); }),
            "objects[0].provider_date");
}

}  // namespace
}  // namespace billmesh::webhook
