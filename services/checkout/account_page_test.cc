#include "services/checkout/account_page.h"

#include "absl/strings/str_cat.h"
#include "common/crypto/crypto.h"
#include "common/status/status.h"
#include "gtest/gtest.h"

namespace billmesh::checkout {
namespace {

constexpr char kEntity[] = "0190a7a0-0000-7000-8000-00000000000a";
constexpr char kOther[] = "0190a7a0-0000-7000-8000-00000000000b";
constexpr char kId[] = "0190a7a0-0000-7000-8000-000000000001";
constexpr PagedList kInvoices{"invoices", kEntity};

struct Thing {
  absl::Time created_at;
  std::string id;
};

std::string RefusedField(int32_t size, std::string_view token, const PagedList& list = kInvoices) {
  const auto request = ReadPageRequest(list, size, token);
  if (request.ok()) return "";
  EXPECT_EQ(ReasonOf(request.status()), Reason::FAILURE_REASON_INVALID_ARGUMENT);
  return MetadataOf(request.status())["field"];
}

TEST(PageRequestTest, SizesAreBounded) {
  EXPECT_EQ(ReadPageRequest(kInvoices, 0, "")->size, 20);
  for (const int32_t size : {1, 20, 100}) EXPECT_EQ(ReadPageRequest(kInvoices, size, "")->size, size);
  for (const int32_t size : {-1, 101, INT32_MIN, INT32_MAX}) EXPECT_EQ(RefusedField(size, ""), "page_size") << size;
}

TEST(PageRequestTest, APlaceComesBackToTheMicrosecond) {
  const PagePlace place{absl::FromUnixMicros(1'700'000'000'123'456), kId};
  const auto request = ReadPageRequest(kInvoices, 7, EncodePageToken(kInvoices, place));
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_TRUE(request->after.has_value());
  EXPECT_EQ(request->after->created_at, place.created_at);
  EXPECT_EQ(request->after->id, kId);
  EXPECT_FALSE(ReadPageRequest(kInvoices, 7, "")->after.has_value());
}

TEST(PageRequestTest, ATokenIsOfItsListAndEntityOnly) {
  const std::string token = EncodePageToken(kInvoices, {absl::FromUnixSeconds(1'700'000'000), kId});
  EXPECT_EQ(RefusedField(0, token), "");
  EXPECT_EQ(RefusedField(0, token, {"invoices", kOther}), "page_token");
  EXPECT_EQ(RefusedField(0, token, {"payment_methods", kEntity}), "page_token");
}

TEST(PageRequestTest, RefusesTokensThatItDidNotMake) {
  const std::string head = absl::StrCat("invoices/", kEntity, "/"), id = kId;
  EXPECT_EQ(RefusedField(0, crypto::Base64UrlEncode(absl::StrCat(head, "1700000000123456/", id))), "");
  for (const std::string& text :
       {std::string("/"), head, absl::StrCat(head, "1700000000123456"), absl::StrCat(head, "x/", id),
        absl::StrCat(head, "/", id), absl::StrCat(head, "-1/", id), absl::StrCat(head, "1 /", id),
        absl::StrCat(head, "99999999999999999999/", id), absl::StrCat(head, "253402300800000000/", id),
        absl::StrCat(head, "1700000000123456/not-a-uuid"), absl::StrCat(head, "1700000000123456/", id, "/"),
        absl::StrCat(head, "1700000000123456/", id, "' OR true")}) {
    EXPECT_EQ(RefusedField(0, crypto::Base64UrlEncode(text)), "page_token") << text;
  }
  for (const std::string& token : {std::string("not base64!"), std::string("="), std::string(300, 'A')}) {
    EXPECT_EQ(RefusedField(0, token), "page_token") << token;
  }
}

TEST(CutPageTest, TheRowTooManyTellsThatMoreFollow) {
  const std::vector<Thing> rows = {{absl::FromUnixSeconds(3), "c"}, {absl::FromUnixSeconds(2), kId}, {{}, "a"}};
  const auto page = CutPage(kInvoices, {.size = 2}, rows);
  ASSERT_EQ(page.rows.size(), 2u);
  const auto next = ReadPageRequest(kInvoices, 2, page.next_token);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->after->created_at, absl::FromUnixSeconds(2));
  EXPECT_EQ(next->after->id, kId);
  EXPECT_EQ(CutPage(kInvoices, {.size = 3}, rows).next_token, "");
  EXPECT_EQ(CutPage(kInvoices, {.size = 3}, std::vector<Thing>()).next_token, "");
}

}  // namespace
}  // namespace billmesh::checkout
