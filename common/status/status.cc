#include "common/status/status.h"

#include <array>
#include <optional>
#include <vector>

#include "absl/strings/cord.h"
#include "google/protobuf/descriptor.h"
#include "google/rpc/error_details.pb.h"

namespace billmesh {
namespace {

constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

struct Catalogue {
  std::map<int, FailureRule> by_number;
  std::map<std::string, Reason, std::less<>> by_code;
};

// Reads the rules from the enum's options, once: the proto file is the only list.
const Catalogue& TheCatalogue() {
  static const Catalogue* const catalogue = [] {
    auto* made = new Catalogue;
    const auto* descriptor = billing::types::v1::FailureReason_descriptor();
    for (int i = 0; i < descriptor->value_count(); ++i) {
      const auto* value = descriptor->value(i);
      const auto& rule = value->options().GetExtension(billing::types::v1::rule);
      made->by_number[value->number()] = {rule.code(), static_cast<absl::StatusCode>(rule.grpc_code()), rule.http_status(),
                                          rule.retryable()};
      made->by_code[rule.code()] = static_cast<Reason>(value->number());
    }
    return made;
  }();
  return *catalogue;
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorInfoUrl);
  if (!payload.has_value()) return std::nullopt;
  google::rpc::ErrorInfo info;
  if (!info.ParseFromString(std::string(*payload)) || info.domain() != kErrorDomain) return std::nullopt;
  return info;
}

}  // namespace

absl::Status Fail(Reason reason, std::string_view message, Metadata metadata) {
  const FailureRule& rule = RuleOf(reason);
  absl::Status status(rule.grpc_code, AbslView(message));
  google::rpc::ErrorInfo info;
  info.set_reason(rule.code);
  info.set_domain(kErrorDomain);
  for (auto& [key, value] : metadata) (*info.mutable_metadata())[key] = std::move(value);
  status.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

Reason ReasonOf(const absl::Status& status) {
  const auto info = ErrorInfoOf(status);
  return info ? ReasonFromCode(info->reason()) : Reason::FAILURE_REASON_UNSPECIFIED;
}

Metadata MetadataOf(const absl::Status& status) {
  const auto info = ErrorInfoOf(status);
  if (!info) return {};
  return Metadata(info->metadata().begin(), info->metadata().end());
}

const FailureRule& RuleOf(Reason reason) {
  const auto& rules = TheCatalogue().by_number;
  const auto it = rules.find(static_cast<int>(reason));
  return it != rules.end() ? it->second : rules.at(0);
}

Reason ReasonFromCode(std::string_view code) {
  const auto& codes = TheCatalogue().by_code;
  const auto it = codes.find(code);
  return it != codes.end() ? it->second : Reason::FAILURE_REASON_UNSPECIFIED;
}

const std::string& CodeOf(Reason reason) { return RuleOf(reason).code; }

}  // namespace billmesh
