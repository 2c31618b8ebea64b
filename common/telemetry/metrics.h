// Metrics (OBS-1): a thin face over prometheus-cpp, so that its headers stay in one place. Creating is idempotent: the
// same name and labels give the same instrument. Instruments live as long as the process. Thread safe. Label values
// must come from a bounded set.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace billmesh::telemetry {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Add(double n = 1) = 0;
};
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
};
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

// Names carry unit and kind: billmesh_rpc_seconds, billmesh_webhook_events_total.
Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
// Buckets for seconds: 50 µs to 30 s.
Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels = {});

// A gauge whose value is read when metrics are scraped; fn must be thread safe, quick, and live as long as the process.
void SetGaugeCallback(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> fn);

// Counts a guardrail (OBS-2) under its canonical code, in billmesh_guardrail_total{code}, and logs a warning with the
// fields.
void Guardrail(std::string_view code, const Labels& log_fields);

// A guardrail that is a state rather than an event: sets billmesh_guardrail_level{code}. Zero is well; not logged.
void GuardrailLevel(std::string_view code, double level);

// The text exposition format, for /metrics.
std::string RenderMetrics();

}  // namespace billmesh::telemetry
