// The readers against real shapes: recorded events of API 2020-03-02 and Stripe's own fixtures of 2023 and 2026.
#include <filesystem>

#include "common/stripe/event_reader.h"
#include "common/stripe/object_readers.h"
#include "common/testing/shared_data.h"
#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

namespace fs = std::filesystem;
using testing::FindSharedData;
using testing::ReadWholeFile;

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(seconds); }

TEST(ReferenceDataTest, EveryRecordedEventIsRead) {
  const auto data = FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  int events = 0, sessions = 0, subscriptions = 0, invoices = 0;
  for (const auto& entry : fs::directory_iterator(*data / "events-2020-03-02")) {
    const auto event = ReadEvent(ReadWholeFile(entry.path()));
    ASSERT_TRUE(event.ok()) << entry.path() << ": " << event.status();
    EXPECT_EQ(event->object_error, "") << entry.path();
    EXPECT_NE(event->object_kind, "") << entry.path();
    ++events;
    sessions += std::holds_alternative<provider::CheckoutSession>(event->object);
    subscriptions += std::holds_alternative<provider::Subscription>(event->object);
    invoices += std::holds_alternative<provider::Invoice>(event->object);
  }
  EXPECT_EQ(events, 71);
  EXPECT_EQ(sessions, 1);
  EXPECT_EQ(subscriptions, 3);
  EXPECT_EQ(invoices, 5);
}

TEST(ReferenceDataTest, ARecordedSubscriptionReadsFieldByField) {
  const auto data = FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const auto event = ReadEvent(ReadWholeFile(*data / "events-2020-03-02" / "subscription_updated.json"));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->id, "evt_1IlavxJDPojXS6LNGNOrPWFQ");
  EXPECT_EQ(event->customer_id, "cus_IhGfebO16cMIGN");
  const auto& s = std::get<provider::Subscription>(event->object);
  EXPECT_EQ(s.id, "sub_JLEPMp81LApOJl");
  EXPECT_EQ(s.status, "active");
  EXPECT_EQ(s.customer_id, "cus_IhGfebO16cMIGN");
  EXPECT_EQ(s.latest_invoice_id, "in_1IiXwaJDPojXS6LNS53YqhSE");
  EXPECT_EQ(s.created_at, At(1618980344));
  EXPECT_FALSE(s.cancel_at.has_value());
  ASSERT_EQ(s.items.size(), 1u);
  EXPECT_TRUE(s.items_complete);
  EXPECT_EQ(s.items[0].id, "si_JLEPdb3X81qQ9L");
  EXPECT_EQ(s.items[0].price_id, "price_1IDQm5JDPojXS6LNM31hxKzp");
  EXPECT_EQ(s.items[0].quantity, 1);
  EXPECT_EQ(s.items[0].period_start, At(1618980344));
  EXPECT_EQ(s.items[0].period_end, At(1621572344));
}

TEST(ReferenceDataTest, OfficialSubscriptionsOfBothShapesRead) {
  const auto data = FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  const auto old_shape = ReadSubscription(ReadWholeFile(*data / "objects" / "subscription.2023-09-12.json"));
  ASSERT_TRUE(old_shape.ok()) << old_shape.status();
  ASSERT_EQ(old_shape->items.size(), 1u);
  EXPECT_TRUE(old_shape->items[0].period_end.has_value());
  const auto new_shape = ReadSubscription(ReadWholeFile(*data / "objects" / "subscription.2026-08-21.json"));
  ASSERT_TRUE(new_shape.ok()) << new_shape.status();
  EXPECT_EQ(new_shape->id, "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw");
  EXPECT_TRUE(new_shape->cancel_at_period_end);
  EXPECT_TRUE(new_shape->collection_paused);
  EXPECT_EQ(new_shape->trial_end, At(1234567890));
  ASSERT_EQ(new_shape->items.size(), 1u);
  EXPECT_EQ(new_shape->items[0].period_start, At(1896570518));
  EXPECT_EQ(new_shape->items[0].period_end, At(976287773));
}

TEST(ReferenceDataTest, OfficialInvoicesAndSessionsOfBothShapesRead) {
  const auto data = FindSharedData();
  if (!data) GTEST_SKIP() << testing::kNoSharedData;
  for (const char* version : {"2023-09-12", "2026-08-21"}) {
    const std::string suffix = std::string(".") + version + ".json";
    const auto invoice = ReadInvoice(ReadWholeFile(*data / "objects" / ("invoice" + suffix)));
    ASSERT_TRUE(invoice.ok()) << version << ": " << invoice.status();
    EXPECT_EQ(invoice->status, "draft");
    EXPECT_EQ(invoice->currency, "usd");
    EXPECT_EQ(invoice->total_minor, 1000);
    EXPECT_EQ(invoice->amount_remaining_minor, 1000);
    EXPECT_FALSE(invoice->subscription_id.has_value());
    const auto session = ReadCheckoutSession(ReadWholeFile(*data / "objects" / ("checkout.session" + suffix)));
    ASSERT_TRUE(session.ok()) << version << ": " << session.status();
    EXPECT_EQ(session->status, "open");
    EXPECT_EQ(session->mode, "payment");
    EXPECT_TRUE(session->url.has_value());
  }
  const auto paid = ReadEvent(ReadWholeFile(*data / "events-2020-03-02" / "invoice_paid.json"));
  ASSERT_TRUE(paid.ok()) << paid.status();
  EXPECT_EQ(std::get<provider::Invoice>(paid->object).subscription_id, "sub_JsuPyCPhXWfZar");
}

}  // namespace
}  // namespace billmesh::stripe
