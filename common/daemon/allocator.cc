#include "common/daemon/allocator.h"

#include <cstddef>

// TCMalloc's own (gperftools/malloc_extension_c.h); null where the program has another allocator.
extern "C" int MallocExtension_SetNumericProperty(const char* property, size_t value) __attribute__((weak));

namespace billmesh::daemon {
namespace {

constexpr size_t kThreadCachesBytes = 8 << 20;  // of all threads together

}  // namespace

void BoundAllocator() {
  if (MallocExtension_SetNumericProperty == nullptr) return;
  MallocExtension_SetNumericProperty("tcmalloc.max_total_thread_cache_bytes", kThreadCachesBytes);
}

}  // namespace billmesh::daemon
