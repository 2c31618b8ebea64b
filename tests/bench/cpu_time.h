// CPU time of processes, from /proc: what the mesh costs, whoever else uses the machine.
#pragma once

#include <sys/types.h>

#include <vector>

namespace billmesh::bench {

// User and system time so far, in seconds, of the processes and of their children, the living and those waited for.
double CpuSeconds(const std::vector<pid_t>& processes);

}  // namespace billmesh::bench
