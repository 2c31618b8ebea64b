// The provider's customer of an entity (CHK-10): made once, by a step that the entity itself owns. Whichever
// operation needs it first freezes it; the next one goes on with what is pending.
#pragma once

#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/ids/id_generator.h"
#include "common/provider/object_format.h"
#include "services/checkout/action.h"

namespace billmesh::checkout {

struct CustomerStepDeps {
  IdGenerator& ids;
  const provider::ObjectFormat& format;
  absl::Duration replay_window;
};

// The provider's id of the entity's customer, or the step that makes it.
using CustomerOrStep = std::variant<std::string, NextStep>;
absl::StatusOr<CustomerOrStep> NextForCustomer(const CustomerStepDeps& deps, const ActionContext& context,
                                               const Operation& operation);

// Stores the link that the step made, with its audit row. Does nothing if the entity has one already.
absl::Status StoreCustomer(const CustomerStepDeps& deps, const ActionContext& context, const Operation& operation,
                           const StepDone& done);

}  // namespace billmesh::checkout
