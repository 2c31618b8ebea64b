// Checks of single configuration values; used by config.cc only.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config.h"

namespace billmesh::config {

// What is wrong with a value of this setting, as "\"x\" is not host:port"; empty if nothing. Never quotes a secret.
std::string FaultOf(const Setting& setting, std::string_view value);

// "host:port", "10s to 1h": the type and bounds in words, for --help.
std::string Describe(const Setting& setting);

// Quoted, on one line, at most kMaxQuoted bytes of it.
std::string Quote(std::string_view value);

// Of values that FaultOf finds nothing wrong with.
int64_t ToInt(std::string_view value);
absl::Duration ToDuration(std::string_view value);
bool ToBool(std::string_view value);

}  // namespace billmesh::config
