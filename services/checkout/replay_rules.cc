#include "services/checkout/replay_rules.h"

#include <string_view>

namespace billmesh::checkout {
namespace {

std::string_view MajorOf(std::string_view version) { return version.substr(0, version.find('.')); }

}  // namespace

bool ProvenanceAllowsReplay(const provider::Provenance& frozen, const provider::Provenance& present) {
  return frozen.provider == present.provider && frozen.api_version == present.api_version &&
         frozen.account_id == present.account_id && frozen.client_name == present.client_name &&
         MajorOf(frozen.client_version) == MajorOf(present.client_version);
}

}  // namespace billmesh::checkout
