// How a provider writes requests and objects down (PRV-1). Checkout says what it wants in these
// words; the format turns that into the parameters that are frozen, and turns answers back. Pure:
// no I/O, no clock; the same spec always gives the same bytes. Thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/provider/objects.h"

namespace billmesh::provider {

// Correlation that the provider keeps with an object and gives back.
using ObjectMetadata = std::map<std::string, std::string>;

// The purposes of a FrozenCreate, stored in provider_steps.purpose.
inline constexpr char kCreateCustomer[] = "create_customer";
inline constexpr char kCreateCheckoutSession[] = "create_checkout_session";

// The kinds of PaymentProvider::Retrieve and List.
inline constexpr char kCustomerKind[] = "customer";
inline constexpr char kCheckoutSessionKind[] = "checkout_session";

// Canonical JSON to freeze, and the name of its schema ("stripe.customer.v1").
struct EncodedParams {
  std::string json;
  std::string schema;
};

struct CustomerSpec {
  std::string name;  // may be empty; left out where the provider has no room for it
  ObjectMetadata metadata;
};

struct LineItem {
  std::string price_id;             // the provider's
  std::optional<int64_t> quantity;  // none for metered prices
};

// A hosted checkout that ends in a subscription.
struct CheckoutSessionSpec {
  std::string customer_id;  // the provider's
  std::vector<LineItem> items;
  std::string success_url;
  std::string cancel_url;
  absl::Time expires_at;    // whole seconds
  std::string reference;    // ours, shown beside the session in the provider's console
  ObjectMetadata metadata;  // put on the session and on the subscription that it makes
  int64_t trial_days = 0;
  bool automatic_tax = false;
  bool allow_promotion_codes = false;
};

// What frozen parameters say of themselves: enough to check them and to look their object up.
struct FrozenFacts {
  ObjectMetadata metadata;
  std::optional<std::string> customer_id;
  std::optional<absl::Time> expires_at;
};

// What every object that we make has.
struct ObjectSnapshot {
  std::string id;
  bool deleted = false;
  ObjectMetadata metadata;
};

// One page of a list, newest first.
struct ListSnapshot {
  std::vector<ObjectSnapshot> objects;
  bool has_more = false;
};

class ObjectFormat {
 public:
  virtual ~ObjectFormat() = default;
  // The provider's name, as stored in rows: "stripe".
  virtual std::string provider() const = 0;

  // Errors: INVALID_ARGUMENT for text that isn't UTF-8 or over the provider's bounds.
  virtual absl::StatusOr<EncodedParams> EncodeCustomer(const CustomerSpec& spec) const = 0;
  virtual absl::StatusOr<EncodedParams> EncodeCheckoutSession(const CheckoutSessionSpec& spec) const = 0;

  // Readers fail (INVALID_ARGUMENT) where a member that they need is missing or of another type,
  // and ignore all that they don't know.
  virtual absl::StatusOr<FrozenFacts> ReadFrozen(std::string_view params_json) const = 0;
  virtual absl::StatusOr<CheckoutSession> ReadCheckoutSession(std::string_view object_json) const = 0;
  virtual absl::StatusOr<ObjectSnapshot> ReadObject(std::string_view object_json) const = 0;
  virtual absl::StatusOr<ListSnapshot> ReadList(std::string_view list_json) const = 0;
};

}  // namespace billmesh::provider
