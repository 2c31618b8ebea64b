#include "deploy/billctl/catalog_commands.h"

#include <fstream>
#include <sstream>

#include "billing/checkout/v1/catalog.grpc.pb.h"
#include "common/catalog/catalog_file.h"
#include "common/status/status.h"
#include "common/stripe/client_config.h"
#include "common/stripe/client_prices.h"
#include "deploy/billctl/catalog_provision.h"
#include "deploy/billctl/peers.h"
#include "nlohmann/json.hpp"

namespace billmesh::billctl {
namespace {

namespace pb = ::billing::checkout::v1;

constexpr char kPeer[] = "checkout";

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(catalog::kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.gcount() == 0 && !file.eof())) return UsageError(path + " can't be read");
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > catalog::kMaxFileBytes) return UsageError(path + " is over 1 MiB");
  return text;
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file.good() ? absl::OkStatus() : absl::InternalError(path + " can't be written");
}

absl::StatusOr<int> ApplyOrPlan(Context& context, bool dry_run) {
  pb::ApplyCatalogRequest request;
  ASSIGN_OR_RETURN(*request.mutable_yaml(), ReadText(context.arguments[0]));
  request.set_dry_run(dry_run);
  pb::ApplyCatalogResponse response;
  RETURN_IF_ERROR(Call<pb::CatalogService>(context, kPeer, &pb::CatalogService::Stub::ApplyCatalog, request, response));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
    return kExitOk;
  }
  int writes = 0;
  for (const pb::CatalogChange& change : response.changes()) {
    writes += change.action() != "unchanged" ? 1 : 0;
    context.out << change.action() << " "
                << (change.item_code().empty() ? change.plan_code() : "item " + change.item_code());
    if (!change.detail().empty()) context.out << " (" << change.detail() << ")";
    context.out << "\n";
  }
  if (writes == 0) {
    context.out << "nothing to change\n";
  } else {
    context.out << writes << (writes == 1 ? " change" : " changes")
                << (response.applied() ? " applied\n" : " to apply\n");
  }
  return kExitOk;
}

absl::StatusOr<int> Apply(Context& context) { return ApplyOrPlan(context, false); }
absl::StatusOr<int> Plan(Context& context) { return ApplyOrPlan(context, true); }

absl::StatusOr<int> Export(Context& context) {
  const std::string& path = context.config.Get("out");
  pb::ExportCatalogResponse response;
  RETURN_IF_ERROR(Call<pb::CatalogService>(context, kPeer, &pb::CatalogService::Stub::ExportCatalog,
                                           pb::ExportCatalogRequest(), response));
  if (!path.empty()) {
    RETURN_IF_ERROR(WriteText(path, response.yaml()));
  } else if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context.out, response));
  } else {
    context.out << response.yaml();
  }
  return kExitOk;
}

absl::StatusOr<int> RunProvision(Context& context) {
  const std::string& path = context.config.Get("out");
  if (context.json() && path.empty()) return UsageError("--json needs --out, because the file goes to standard output");
  ASSIGN_OR_RETURN(const std::string yaml, ReadText(context.arguments[0]));
  const auto provider = stripe::MakeProvider(context.config, context.clock, context.ids);
  const stripe::StripePriceFormat format;
  ASSIGN_OR_RETURN(const Provisioned provisioned, Provision(yaml, context.config.Get("billing-currency"),
                                                            {.provider = *provider,
                                                             .format = format,
                                                             .clock = context.clock,
                                                             .timeout = context.config.GetDuration("timeout")}));
  if (!path.empty()) {
    RETURN_IF_ERROR(WriteText(path, provisioned.yaml));
  } else {
    context.out << provisioned.yaml;
  }
  if (context.json()) {
    nlohmann::json prices = nlohmann::json::array();
    for (const ProvisionedPrice& price : provisioned.prices) {
      prices.push_back({{price.component == kItemComponent ? "itemCode" : "planCode", price.code},
                        {"component", price.component},
                        {"providerProductId", price.product_id},
                        {"providerPriceId", price.price_id},
                        {"created", price.created}});
    }
    context.out << nlohmann::json{{"prices", prices}}.dump() << "\n";
    return kExitOk;
  }
  std::ostream& said = path.empty() ? context.err : context.out;
  for (const ProvisionedPrice& price : provisioned.prices) {
    said << (price.created ? "made " : "found ") << price.code << " " << price.component << ": " << price.price_id
         << "\n";
  }
  if (provisioned.prices.empty()) said << "every price has its ids already\n";
  return kExitOk;
}

std::vector<config::Setting> ProvisionSettings() {
  return Joined({stripe::ClientSettings(),
                 {{"billing-env", "BILLING_ENV", config::Type::kString, "test",
                   "the billing environment: a live key is taken only in live"},
                  {"billing-currency", "BILLING_CURRENCY", config::Type::kString, "",
                   "the only currency that prices may have; any one if left out"},
                  {"timeout", "BILLCTL_TIMEOUT", config::Type::kDuration, "30s",
                   "how long each call of the provider may take", 10, 600'000},
                  TextFlag("out", "where the completed file goes; standard output if left out")}});
}

}  // namespace

std::vector<Command> CatalogCommands() {
  return {
      {"catalog plan",
       {"FILE"},
       "compare a catalog file with what is sold, and verify its prices",
       PeerSettings(kPeer, "5m"),
       {},
       Plan},
      {"catalog apply", {"FILE"}, "the same, and apply it", PeerSettings(kPeer, "5m"), {}, Apply},
      {"catalog export",
       {},
       "write what is sold as a catalog file that changes nothing when it is applied",
       Joined({PeerSettings(kPeer, "30s"), {TextFlag("out", "where the file goes; standard output if left out")}}),
       {},
       Export},
      {"catalog provision",
       {"FILE"},
       "make a file's missing prices at the provider and write their ids into it",
       ProvisionSettings(),
       stripe::ClientChecks(),
       RunProvision},
  };
}

}  // namespace billmesh::billctl
