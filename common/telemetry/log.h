// Structured logs (OBS-3): one JSON object a line on standard error, through spdlog. Fields are for programs; never a
// secret, a token, a raw payload or a card number. Thread safe.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace billmesh::telemetry {

enum class Level { kDebug, kInfo, kWarn, kError };

using Field = std::pair<std::string_view, std::string>;

// Must be called once, before logging. level: debug, info, warn or error.
void InitLogging(std::string_view service, std::string_view level);

// Log(Level::kInfo, "checkout started", {{"entity_id", id}, {"operation_key", key}}). The current CallScope's
// request_id and trace_id are added, unless given. Values that look like keys, tokens or card numbers are masked,
// invalid UTF-8 is replaced, and long values are cut.
void Log(Level level, std::string_view message, std::initializer_list<Field> fields = {});
// The same for fields that were gathered.
void LogFields(Level level, std::string_view message, std::span<const Field> fields);

inline void Info(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(Level::kInfo, message, fields);
}
inline void Warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(Level::kWarn, message, fields);
}
inline void Error(std::string_view message, std::initializer_list<Field> fields = {}) {
  Log(Level::kError, message, fields);
}

// While it lives, the lines that this thread logs are gathered, and written together at the end: for many that belong
// to one batch. Nests; the outermost one writes.
class LogBatch {
 public:
  LogBatch();
  ~LogBatch();
  LogBatch(const LogBatch&) = delete;
};

// W3C trace context of one request (https://www.w3.org/TR/trace-context/).
struct TraceContext {
  std::string request_id;   // ours, a UUID, or the caller's x-request-id when it is sane
  std::string traceparent;  // "00-<32 hex>-<16 hex>-<2 hex>"
  std::string trace_id() const { return traceparent.size() == 55 ? traceparent.substr(3, 32) : ""; }
};

// Takes a caller's headers where they are well formed, and makes new ones from random ids where not. The span id is
// always new.
TraceContext ContinueTrace(std::string_view request_id, std::string_view traceparent);

// Makes the context current for this thread while it lives; nests.
class CallScope {
 public:
  explicit CallScope(const TraceContext& context);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  // The current context of this thread; empty strings outside any scope.
  static const TraceContext& Current();

 private:
  const TraceContext* previous_;
  TraceContext context_;
};

}  // namespace billmesh::telemetry
