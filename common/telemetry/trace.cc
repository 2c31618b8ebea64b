#include <algorithm>

#include "common/crypto/crypto.h"
#include "common/ids/id_generator.h"
#include "common/telemetry/log.h"
#include "common/telemetry/redact.h"
#include "common/time/clock.h"

namespace billmesh::telemetry {
namespace {

constexpr size_t kTraceparentLength = 55;
constexpr size_t kTraceIdBytes = 16, kSpanIdBytes = 8;
constexpr size_t kMinRequestId = 8, kMaxRequestId = 128;

thread_local const TraceContext* current = nullptr;

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

bool IsOddHexDigit(char c) { return ((c <= '9' ? c - '0' : c - 'a' + 10) & 1) != 0; }

bool IsSaneRequestId(std::string_view id) {
  return id.size() >= kMinRequestId && id.size() <= kMaxRequestId &&
         std::all_of(id.begin(), id.end(),
                     [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                              c == '_' || c == '.';
                     }) &&
         Redact(id) == id;
}

// version "-" trace-id "-" parent-id "-" flags; a later version may go on after that with another "-".
bool IsTraceparent(std::string_view text) {
  if (text.size() < kTraceparentLength || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), parent = text.substr(36, 16),
                         flags = text.substr(53, 2);
  if (!IsLowerHex(version) || !IsLowerHex(trace) || !IsLowerHex(parent) || !IsLowerHex(flags)) return false;
  if (version == "ff" || IsZero(trace) || IsZero(parent)) return false;
  return text.size() == kTraceparentLength || (version != "00" && text[kTraceparentLength] == '-');
}

// Random hex that is not all zeros (which the format forbids).
std::string RandomHexId(size_t bytes) {
  std::string id;
  do {
    id = crypto::HexEncode(crypto::RandomBytes(bytes));
  } while (IsZero(id));
  return id;
}

}  // namespace

TraceContext ContinueTrace(std::string_view request_id, std::string_view traceparent) {
  static SystemClock clock;
  static SystemIdGenerator ids(clock);
  TraceContext context;
  context.request_id = IsSaneRequestId(request_id) ? std::string(request_id) : ids.NewId();
  const bool known = IsTraceparent(traceparent);
  // Of the flags only "sampled" is defined; a new trace is sampled, because its logs are kept.
  const bool sampled = !known || IsOddHexDigit(traceparent[54]);
  context.traceparent = "00-" + (known ? std::string(traceparent.substr(3, 32)) : RandomHexId(kTraceIdBytes)) + "-" +
                        RandomHexId(kSpanIdBytes) + (sampled ? "-01" : "-00");
  return context;
}

CallScope::CallScope(const TraceContext& context) : previous_(current), context_(context) { current = &context_; }

CallScope::~CallScope() { current = previous_; }

const TraceContext& CallScope::Current() {
  static const TraceContext* const kNone = new TraceContext();
  return current != nullptr ? *current : *kNone;
}

}  // namespace billmesh::telemetry
