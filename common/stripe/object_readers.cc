#include "common/stripe/object_readers.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/provider/object_format.h"
#include "common/status/status.h"
#include "common/stripe/object_fields.h"

namespace billmesh::stripe {
namespace {

constexpr size_t kMaxWordBytes = 64;  // statuses, modes, reasons
constexpr size_t kMaxMetadataValueBytes = 500;

struct Period {
  std::optional<absl::Time> start;
  std::optional<absl::Time> end;
};

Period ReadPeriod(const Fields& fields) {
  return {fields.OptTime("current_period_start"), fields.OptTime("current_period_end")};
}

// The price's id; very old items have only a plan, whose id is that of the price.
std::string ReadPriceId(const Fields& item) {
  if (auto price = item.OptReference("price")) return *price;
  if (auto plan = item.OptReference("plan")) return *plan;
  item.Fail("price", "missing");
  return "";
}

provider::SubscriptionItem ReadItem(const Fields& fields, const Period& whole) {
  provider::SubscriptionItem item;
  item.id = fields.Id("id");
  item.price_id = ReadPriceId(fields);
  item.quantity = fields.OptInt("quantity");
  if (item.quantity.value_or(0) < 0) fields.Fail("quantity", "negative");
  const Period own = ReadPeriod(fields);
  item.period_start = own.start ? own.start : whole.start;
  item.period_end = own.end ? own.end : whole.end;
  return item;
}

void ReadItems(const Fields& fields, provider::Subscription& subscription) {
  const auto list = fields.Object("items");
  const auto data = list ? list->Find("data") : std::nullopt;
  if (!data) {
    // Nothing is said about items, which isn't the same as none.
    subscription.items_complete = false;
    return;
  }
  simdjson::dom::array array;
  if (data->get_array().get(array) != simdjson::SUCCESS) {
    list->Fail("data", "not a list");
    return;
  }
  if (array.size() > kMaxItems) {
    list->Fail("data", "too many items");
    return;
  }
  const Period whole = ReadPeriod(fields);
  for (const simdjson::dom::element element : array) {
    const auto item = list->As(element, absl::StrCat("data[", subscription.items.size(), "]"));
    if (!item) return;
    subscription.items.push_back(ReadItem(*item, whole));
  }
  subscription.items_complete = !list->BoolOr("has_more", false);
}

template <auto kFrom>
provider::Object Read(const Fields& fields) {
  return kFrom(fields);
}

constexpr KindReader kReaders[] = {
    {"checkout.session", provider::kCheckoutSessionKind, Read<CheckoutSessionFrom>},
    {"subscription", provider::kSubscriptionKind, Read<SubscriptionFrom>},
    {"invoice", provider::kInvoiceKind, Read<InvoiceFrom>},
    {"customer", provider::kCustomerKind, Read<CustomerFrom>},
    {"payment_method", provider::kPaymentMethodKind, Read<PaymentMethodFrom>},
    {"payment_intent", provider::kPaymentKind, Read<PaymentFrom>},
    {"charge", provider::kChargeKind, Read<ChargeFrom>},
    {"refund", provider::kRefundKind, Read<RefundFrom>},
    {"dispute", provider::kDisputeKind, Read<DisputeFrom>},
    {"credit_note", provider::kCreditNoteKind, Read<CreditNoteFrom>},
    {"invoice_payment", provider::kInvoicePaymentKind, Read<InvoicePaymentFrom>},
};

// Parses, reads and reports the first complaint.
template <typename T>
absl::StatusOr<T> ReadAs(std::string_view json, T (*from)(const Fields&)) {
  ASSIGN_OR_RETURN(const simdjson::dom::element element, ParseBounded(json));
  simdjson::dom::object object;
  if (element.get_object().get(object) != simdjson::SUCCESS) return absl::InvalidArgumentError("not an object");
  std::string error;
  T read = from(Fields(object, "", error));
  if (!error.empty()) return absl::InvalidArgumentError(error);
  return read;
}

}  // namespace

const KindReader* ReaderOfWord(std::string_view stripe_word) {
  for (const KindReader& reader : kReaders) {
    if (reader.stripe_word == stripe_word) return &reader;
  }
  return nullptr;
}

const KindReader* ReaderOfKind(std::string_view kind) {
  for (const KindReader& reader : kReaders) {
    if (reader.kind == kind) return &reader;
  }
  return nullptr;
}

void ReadCorrelation(const Fields& owner, provider::Correlation& correlation) {
  const auto metadata = owner.Object("metadata");
  if (!metadata) return;
  const auto take = [&](std::string_view key, std::optional<std::string>& into) {
    if (!into.has_value()) into = metadata->OptText(key, kMaxMetadataValueBytes);
  };
  take(provider::kMetadataOperationKey, correlation.operation_key);
  take(provider::kMetadataEntityId, correlation.entity_id);
  take(provider::kMetadataEnv, correlation.env);
  take(provider::kMetadataPlanCode, correlation.plan_code);
  take(provider::kMetadataPlanVersion, correlation.plan_version);
  take(provider::kMetadataItemCode, correlation.item_code);
}

std::string ReadCurrency(const Fields& fields) {
  std::string currency = fields.Text("currency", 3);
  absl::AsciiStrToLower(&currency);
  bool letters = currency.size() == 3;
  for (const char c : currency) letters = letters && absl::ascii_islower(static_cast<unsigned char>(c));
  if (!letters) fields.Fail("currency", "not a currency code");
  return currency;
}

provider::CheckoutSession CheckoutSessionFrom(const Fields& fields) {
  provider::CheckoutSession session;
  session.id = fields.Id("id");
  session.mode = fields.Text("mode", kMaxWordBytes);
  session.status = fields.Text("status", kMaxWordBytes);
  session.payment_status = fields.Text("payment_status", kMaxWordBytes);
  session.url = fields.OptText("url", kMaxUrlBytes);
  session.customer_id = fields.OptReference("customer");
  session.subscription_id = fields.OptReference("subscription");
  session.invoice_id = fields.OptReference("invoice");
  session.payment_link_id = fields.OptReference("payment_link");
  session.created_at = fields.Time("created");
  session.expires_at = fields.Time("expires_at");
  session.livemode = fields.Bool("livemode");
  ReadCorrelation(fields, session.correlation);
  return session;
}

provider::Subscription SubscriptionFrom(const Fields& fields) {
  provider::Subscription subscription;
  subscription.id = fields.Id("id");
  subscription.status = fields.Text("status", kMaxWordBytes);
  subscription.customer_id = fields.OptReference("customer");
  subscription.latest_invoice_id = fields.OptReference("latest_invoice");
  subscription.cancel_at_period_end = fields.BoolOr("cancel_at_period_end", false);
  subscription.collection_paused = fields.Object("pause_collection").has_value();
  subscription.created_at = fields.Time("created");
  subscription.cancel_at = fields.OptTime("cancel_at");
  subscription.canceled_at = fields.OptTime("canceled_at");
  subscription.ended_at = fields.OptTime("ended_at");
  subscription.trial_start = fields.OptTime("trial_start");
  subscription.trial_end = fields.OptTime("trial_end");
  subscription.livemode = fields.Bool("livemode");
  ReadItems(fields, subscription);
  ReadCorrelation(fields, subscription.correlation);
  return subscription;
}

provider::Invoice InvoiceFrom(const Fields& fields) {
  provider::Invoice invoice;
  invoice.id = fields.Id("id");
  invoice.status = fields.Text("status", kMaxWordBytes);
  invoice.customer_id = fields.OptReference("customer");
  invoice.number = fields.OptText("number", kMaxTextBytes);
  invoice.currency = ReadCurrency(fields);
  invoice.total_minor = fields.Int("total");
  invoice.amount_due_minor = fields.Int("amount_due");
  invoice.amount_paid_minor = fields.Int("amount_paid");
  invoice.amount_remaining_minor = fields.Int("amount_remaining");
  const int64_t attempts = fields.OptInt("attempt_count").value_or(0);
  if (attempts < 0 || attempts > std::numeric_limits<int32_t>::max()) fields.Fail("attempt_count", "out of range");
  invoice.attempt_count = static_cast<int32_t>(attempts);
  invoice.billing_reason = fields.OptText("billing_reason", kMaxWordBytes);
  invoice.period_start = fields.OptTime("period_start");
  invoice.period_end = fields.OptTime("period_end");
  invoice.hosted_url = fields.OptText("hosted_invoice_url", kMaxUrlBytes);
  invoice.created_at = fields.Time("created");
  invoice.livemode = fields.Bool("livemode");
  ReadCorrelation(fields, invoice.correlation);
  // Before basil (2025-03-31) at the top level; since then under the parent, when the parent is a subscription.
  invoice.subscription_id = fields.OptReference("subscription");
  if (const auto details = fields.Object("subscription_details")) ReadCorrelation(*details, invoice.correlation);
  const auto parent = fields.Object("parent");
  if (parent && parent->OptText("type", kMaxWordBytes) == "subscription_details") {
    if (const auto details = parent->Object("subscription_details")) {
      if (!invoice.subscription_id) invoice.subscription_id = details->OptReference("subscription");
      ReadCorrelation(*details, invoice.correlation);
    }
  }
  return invoice;
}

absl::StatusOr<provider::CheckoutSession> ReadCheckoutSession(std::string_view json) {
  return ReadAs(json, CheckoutSessionFrom);
}
absl::StatusOr<provider::Subscription> ReadSubscription(std::string_view json) {
  return ReadAs(json, SubscriptionFrom);
}
absl::StatusOr<provider::Invoice> ReadInvoice(std::string_view json) { return ReadAs(json, InvoiceFrom); }

absl::StatusOr<provider::Object> ReadObject(std::string_view kind, std::string_view json) {
  const KindReader* reader = ReaderOfKind(kind);
  if (reader == nullptr) return absl::InvalidArgumentError("kind: unknown");
  return ReadAs(json, reader->read);
}

}  // namespace billmesh::stripe
