#pragma once

#include <string>

#include "tests/stripesim/options.h"

namespace stripesim {

// Reads environment, then flags (--x=y or --x y), into options. Returns false where the process is
// to end: after --help (error empty) or on a mistake (error says which).
bool ParseFlags(int argc, char** argv, Options* options, std::string* error);

}  // namespace stripesim
