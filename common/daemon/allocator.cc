#include "common/daemon/allocator.h"

#include <cstddef>

#include "common/telemetry/log.h"

// TCMalloc's own (gperftools/malloc_extension_c.h); null where the program has another allocator.
extern "C" int MallocExtension_SetNumericProperty(const char* property, size_t value) __attribute__((weak));

namespace billmesh::daemon {
namespace {

constexpr char kThreadCaches[] = "tcmalloc.max_total_thread_cache_bytes";
constexpr size_t kThreadCachesBytes = 8 << 20;  // of all threads together; somewhat more where they are very many

}  // namespace

void BoundAllocator() {
  if (MallocExtension_SetNumericProperty == nullptr) return;
  if (MallocExtension_SetNumericProperty(kThreadCaches, kThreadCachesBytes) == 0) {
    telemetry::Warn("the allocator doesn't know a setting", {{"setting", kThreadCaches}});
  }
}

}  // namespace billmesh::daemon
