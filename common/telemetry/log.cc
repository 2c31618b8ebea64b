#include "common/telemetry/log.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/json/escape.h"
#include "common/telemetry/redact.h"
#include "common/time/clock.h"
#include "common/time/second_text.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace billmesh::telemetry {
namespace {

constexpr size_t kMaxValueBytes = 4096;  // of the message and of each field; the rest is cut
constexpr std::string_view kCut = "…";

struct LevelName {
  Level level;
  std::string_view name;
  spdlog::level::level_enum spdlog_level;
};
constexpr LevelName kLevels[] = {
    {Level::kDebug, "debug", spdlog::level::debug},
    {Level::kInfo, "info", spdlog::level::info},
    {Level::kWarn, "warn", spdlog::level::warn},
    {Level::kError, "error", spdlog::level::err},
};

// Fields of these names would be keys twice in one object.
constexpr std::string_view kReserved[] = {"ts", "level", "service", "msg"};

class Logger {
 public:
  static Logger& Get() {
    static Logger* const logger = new Logger();  // never destroyed: threads may log while the process ends
    return *logger;
  }

  void Init(std::string_view service, std::string_view level) {
    std::lock_guard lock(mutex_);
    service_ = service;
    for (const LevelName& known : kLevels) {
      if (known.name == level) spdlog_.set_level(known.spdlog_level);
    }
  }

  std::string service() {
    std::lock_guard lock(mutex_);
    return service_;
  }

  spdlog::logger& spdlog() { return spdlog_; }

 private:
  Logger() : spdlog_("billmesh", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    spdlog_.set_pattern("%v");
    spdlog_.set_level(spdlog::level::info);
  }

  spdlog::logger spdlog_;
  std::mutex mutex_;
  std::string service_ = "billmesh";  // guarded by mutex_
};

// Cuts at a character's start, so that no half character is left.
std::string Bounded(std::string text) {
  if (text.size() <= kMaxValueBytes) return text;
  size_t end = kMaxValueBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  text += kCut;
  return text;
}

void AppendField(std::string& line, std::string_view name, std::string_view value) {
  line += line.empty() ? '{' : ',';
  json::AppendQuoted(line, name);
  line += ':';
  json::AppendQuoted(line, value);
}

void AppendChecked(std::string& line, std::string_view name, std::string_view value) {
  const bool reserved = std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
  if (reserved) return AppendChecked(line, "field_" + std::string(name), value);
  if (IsSecretName(name)) return AppendField(line, name, kRedacted);
  // Nearly all values: no copy is made of them.
  if (value.size() <= kMaxValueBytes && !HoldsSecret(value)) return AppendField(line, name, value);
  AppendField(line, name, Bounded(Redact(value)));
}

// RFC 3339 in milliseconds.
std::string Timestamp(absl::Time now) {
  thread_local SecondText second("%Y-%m-%dT%H:%M:%S.");
  const int64_t ms = absl::ToUnixMillis(now) % 1000;
  return absl::StrCat(second.At(now), absl::Dec(ms, absl::kZeroPad3), "Z");
}

// Lines of this thread's LogBatch.
struct Gathered {
  static constexpr size_t kMaxBytes = 64 << 10;  // then what there is goes first
  int batches = 0;
  std::string lines;
};
thread_local Gathered gathered;

// Whole lines, but for the last one's end. Whether they are wanted was looked at.
void Write(std::string_view lines) {
  Logger::Get().spdlog().log(spdlog::level::critical, spdlog::string_view_t(lines.data(), lines.size()));
}

void WriteGathered() {
  if (gathered.lines.empty()) return;
  gathered.lines.pop_back();
  Write(gathered.lines);
  gathered.lines.clear();
}

bool HasField(std::span<const Field> fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [name](const Field& field) { return field.first == name; });
}

}  // namespace

void InitLogging(std::string_view service, std::string_view level) { Logger::Get().Init(service, level); }

void LogFields(Level level, std::string_view message, std::span<const Field> fields) {
  const LevelName& names = kLevels[static_cast<size_t>(level)];
  Logger& logger = Logger::Get();
  if (!logger.spdlog().should_log(names.spdlog_level)) return;

  SystemClock clock;
  std::string line;
  line.reserve(512);
  AppendField(line, "ts", Timestamp(clock.Now()));
  AppendField(line, "level", names.name);
  AppendField(line, "service", logger.service());
  AppendField(line, "msg", Bounded(Redact(message)));
  const TraceContext& context = CallScope::Current();
  if (!context.request_id.empty() && !HasField(fields, "request_id")) {
    AppendChecked(line, "request_id", context.request_id);
  }
  if (const std::string trace_id = context.trace_id(); !trace_id.empty() && !HasField(fields, "trace_id")) {
    AppendField(line, "trace_id", trace_id);
  }
  for (const auto& [name, value] : fields) {
    AppendChecked(line, name, value);
  }
  line += '}';
  if (gathered.batches == 0) return Write(line);
  if (gathered.lines.size() + line.size() > Gathered::kMaxBytes) WriteGathered();
  absl::StrAppend(&gathered.lines, line, "\n");
}

LogBatch::LogBatch() { ++gathered.batches; }

LogBatch::~LogBatch() {
  if (--gathered.batches == 0) WriteGathered();
}

void Log(Level level, std::string_view message, std::initializer_list<Field> fields) {
  LogFields(level, message, std::span<const Field>(fields.begin(), fields.size()));
}

}  // namespace billmesh::telemetry
