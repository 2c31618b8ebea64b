// What is told of applied objects once their transaction is committed: ties and guardrails (OBS-2). The same for events
// and for fetched objects. Thread safe.
#pragma once

#include <functional>
#include <vector>

#include "common/telemetry/metrics.h"
#include "services/webhook/object_batch.h"

namespace billmesh::webhook {

// One object that was processed; `fields` identify it and say nothing of its content. Asked for only where something is
// to be told.
void ReportApplied(const ObjectResult& result, const std::vector<Duplicate>& new_duplicates,
                   const std::function<telemetry::Labels()>& fields);

// Subscriptions beside the canonical one that nobody knew of before (WHK-8).
void ReportDuplicates(const std::vector<Duplicate>& new_duplicates);

}  // namespace billmesh::webhook
