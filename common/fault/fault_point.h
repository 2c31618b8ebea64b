// Places where a crash matters. FAULT_POINT("checkout.after_provider_before_tx_b") does nothing unless the binary was built
// with BILLMESH_FAULT_POINTS and the environment arms the point:
//   BILLMESH_FAULTS="name=action[:argument][@n];…"   action: abort | stop | delay:<ms> | error
// @n arms only the n-th passage. `abort` ends the process at once like SIGKILL would; `stop` stops it (SIGSTOP); `error`
// makes FAULT_POINT_STATUS return an error. Each passage of an armed build is counted in the file named by
// BILLMESH_FAULTS_LOG (one name a line), so that a campaign can tell which points were hit.
#pragma once

#include "absl/status/status.h"

#ifdef BILLMESH_FAULT_POINTS
namespace billmesh::fault {
// Thread safe. Reads the environment once.
absl::Status Pass(const char* name);
}  // namespace billmesh::fault
#define FAULT_POINT(name) (void)::billmesh::fault::Pass(name)
#define FAULT_POINT_STATUS(name) RETURN_IF_ERROR(::billmesh::fault::Pass(name))
#else
#define FAULT_POINT(name) \
  do {                    \
  } while (false)
#define FAULT_POINT_STATUS(name) \
  do {                           \
  } while (false)
#endif
