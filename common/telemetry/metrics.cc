#include "common/telemetry/metrics.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "common/telemetry/log.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace billmesh::telemetry {
namespace {

// More series of one name than this share one, whose label values are all kOverflow: a label that turns out to be
// unbounded costs precision, not the process.
constexpr size_t kMaxSeries = 1000;
constexpr char kOverflow[] = "overflow";

// Seconds: 50 µs to 30 s.
const prometheus::Histogram::BucketBoundaries kSecondsBuckets = {
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

class CounterImpl : public Counter {
 public:
  explicit CounterImpl(prometheus::Counter& counter) : counter_(counter) {}
  void Add(double n) override { counter_.Increment(n); }

 private:
  prometheus::Counter& counter_;
};

class GaugeImpl : public Gauge {
 public:
  explicit GaugeImpl(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void Set(double value) override { gauge_.Set(value); }

 private:
  prometheus::Gauge& gauge_;
};

class HistogramImpl : public Histogram {
 public:
  explicit HistogramImpl(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void Observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

// A mistake in a name or label name is the programmer's and the same in every run.
[[noreturn]] void Die(std::string_view name, const char* why) {
  std::fprintf(stderr, "metric %.*s: %s\n", static_cast<int>(name.size()), name.data(), why);
  std::abort();
}

// One metric name: its Prometheus family and our wrappers by labels.
template <typename Native, typename Wrapper>
struct Family {
  prometheus::Family<Native>* native;
  std::map<Labels, std::unique_ptr<Wrapper>> series;

  template <typename... Args>
  Wrapper& Get(const Labels& labels, const Args&... args) {
    if (auto it = series.find(labels); it != series.end()) return *it->second;
    if (series.size() >= kMaxSeries && !labels.empty()) {
      Labels overflow = labels;
      for (auto& [name, value] : overflow) value = kOverflow;
      return GetOrAdd(overflow, args...);
    }
    return GetOrAdd(labels, args...);
  }

 private:
  template <typename... Args>
  Wrapper& GetOrAdd(const Labels& labels, const Args&... args) {
    auto& slot = series[labels];
    if (slot == nullptr) slot = std::make_unique<Wrapper>(native->Add(labels, args...));
    return *slot;
  }
};

class Registry {
 public:
  static Registry& Get() {
    static Registry* const registry = new Registry();  // instruments live as long as the process
    return *registry;
  }

  Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
    std::lock_guard lock(mutex_);
    return Find(counters_, prometheus::BuildCounter(), name, help, labels);
  }
  Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
    std::lock_guard lock(mutex_);
    return Find(gauges_, prometheus::BuildGauge(), name, help, labels);
  }
  Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels) {
    std::lock_guard lock(mutex_);
    return Find(histograms_, prometheus::BuildHistogram(), name, help, labels, kSecondsBuckets);
  }

  // Keyed by the gauge, so that a second callback for the same series replaces the first.
  void SetCallback(Gauge& gauge, std::function<double()> fn) {
    std::lock_guard lock(mutex_);
    callbacks_[&gauge] = std::make_shared<std::function<double()>>(std::move(fn));
  }

  std::string Render() {
    std::vector<std::pair<Gauge*, std::shared_ptr<std::function<double()>>>> callbacks;
    {
      std::lock_guard lock(mutex_);
      callbacks.assign(callbacks_.begin(), callbacks_.end());
    }
    // Unlocked: a callback takes locks of its own, under which others may be creating instruments.
    for (const auto& [gauge, fn] : callbacks) gauge->Set((*fn)());
    return prometheus::TextSerializer().Serialize(native_.Collect());
  }

 private:
  template <typename Native, typename Wrapper>
  using Families = std::map<std::string, Family<Native, Wrapper>, std::less<>>;

  // Requires mutex_.
  template <typename Native, typename Wrapper, typename Builder, typename... Args>
  Wrapper& Find(Families<Native, Wrapper>& families, Builder builder, std::string_view name, std::string_view help,
                const Labels& labels, const Args&... args) {
    try {
      auto it = families.find(name);
      if (it == families.end()) {
        auto& native = builder.Name(std::string(name)).Help(std::string(help)).Register(native_);
        it = families.emplace(std::string(name), Family<Native, Wrapper>{&native, {}}).first;
      }
      return it->second.Get(labels, args...);
    } catch (const std::exception& e) {
      Die(name, e.what());
    }
  }

  std::mutex mutex_;
  prometheus::Registry native_;
  // All guarded by mutex_.
  Families<prometheus::Counter, CounterImpl> counters_;
  Families<prometheus::Gauge, GaugeImpl> gauges_;
  Families<prometheus::Histogram, HistogramImpl> histograms_;
  std::map<Gauge*, std::shared_ptr<std::function<double()>>> callbacks_;
};

}  // namespace

Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
  return Registry::Get().GetCounter(name, help, labels);
}

Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
  return Registry::Get().GetGauge(name, help, labels);
}

Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels) {
  return Registry::Get().GetHistogram(name, help, labels);
}

void SetGaugeCallback(std::string_view name, std::string_view help, const Labels& labels, std::function<double()> fn) {
  Registry::Get().SetCallback(GetGauge(name, help, labels), std::move(fn));
}

void Guardrail(std::string_view code, const Labels& log_fields) {
  GetCounter("billmesh_guardrail_total", "Guardrails that fired, by canonical code.", {{"code", std::string(code)}})
      .Add();
  std::vector<Field> fields = {{"code", std::string(code)}};
  for (const auto& [name, value] : log_fields) {
    if (name != "code") fields.emplace_back(name, value);
  }
  LogFields(Level::kWarn, "guardrail", fields);
}

void GuardrailLevel(std::string_view code, double level) {
  GetGauge("billmesh_guardrail_level", "Guardrails that are a state, by canonical code; 0 is well",
           {{"code", std::string(code)}})
      .Set(level);
}

std::string RenderMetrics() { return Registry::Get().Render(); }

}  // namespace billmesh::telemetry
