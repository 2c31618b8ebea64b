// Checks of the PEM files that settings name (CFG-2), for a daemon's list of cross-checks: what boot could not use is a
// fault of the configuration. A setting without a value is not looked at.
#pragma once

#include <string>
#include <vector>

#include "common/config/config.h"

namespace billmesh::daemon {

// A setting of type kFile, and its variable, which names it in faults.
struct FileSetting {
  std::string flag;
  std::string env;
};

// At least one certificate, and all of them well formed.
config::CrossCheck ChainCheck(FileSetting setting);
// As a chain, and at least one is a CA's.
config::CrossCheck AnchorsCheck(FileSetting setting);
// A well formed private key, and one that belongs to the chain's first certificate.
std::vector<config::CrossCheck> PrivateKeyChecks(FileSetting key, FileSetting chain);

}  // namespace billmesh::daemon
