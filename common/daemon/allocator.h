// The allocator's settings; which allocator and why: docs/decisions/0008.
#pragma once

namespace billmesh::daemon {

// Bounds what TCMalloc keeps for the threads: by default it's 32 MiB, which a daemon fills with what large requests
// have left behind. Nothing happens in a program without TCMalloc (tests, sanitizers). Before threads are many.
void BoundAllocator();

}  // namespace billmesh::daemon
