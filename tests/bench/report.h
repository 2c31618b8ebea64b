// What every benchmark prints, and how it measures.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace billmesh::bench {

using SteadyClock = std::chrono::steady_clock;

// bench <name> value=<v> unit=<u> baseline=<b> ratio=<r>; one line each. ratio = value / baseline.
inline void Report(const std::string& name, double value, const std::string& unit, double baseline) {
  std::printf("bench %s value=%.4g unit=%s baseline=%.4g ratio=%.3f\n", name.c_str(), value, unit.c_str(), baseline,
              baseline > 0 ? value / baseline : 0.0);
  std::fflush(stdout);
}

// Figures of several rounds, each measured against a baseline of its own round: the machine's speed changes meanwhile.
// Of each figure the round with the middle ratio is reported.
class Rounds {
 public:
  void Add(const std::string& name, double value, const std::string& unit, double baseline) {
    const auto known = std::find_if(figures_.begin(), figures_.end(), [&](const Figure& f) { return f.name == name; });
    Figure& figure = known != figures_.end() ? *known : figures_.emplace_back(Figure{name, unit, {}});
    figure.rounds.push_back({value, baseline, baseline > 0 ? value / baseline : 0.0});
  }
  void ReportMiddle() {
    for (Figure& figure : figures_) {
      std::printf("# %s, ratios of the rounds:", figure.name.c_str());
      for (const Round& round : figure.rounds) std::printf(" %.3f", round.ratio);
      std::printf("\n");
      const auto middle = figure.rounds.begin() + static_cast<std::ptrdiff_t>(figure.rounds.size() / 2);
      std::nth_element(figure.rounds.begin(), middle, figure.rounds.end(),
                       [](const Round& a, const Round& b) { return a.ratio < b.ratio; });
      Report(figure.name, middle->value, figure.unit, middle->baseline);
    }
  }

 private:
  struct Round {
    double value = 0, baseline = 0, ratio = 0;
  };
  struct Figure {
    std::string name, unit;
    std::vector<Round> rounds;
  };
  std::vector<Figure> figures_;  // in the order in which they came first
};

// The q-th quantile (0 to 1) of unsorted samples; 0 for none.
inline double Quantile(std::vector<double> samples, double q) {
  if (samples.empty()) return 0;
  const size_t at = std::min(samples.size() - 1, static_cast<size_t>(q * static_cast<double>(samples.size())));
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(at), samples.end());
  return samples[at];
}

struct Load {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  int64_t done = 0;
  int64_t failed = 0;
  std::vector<double> latencies_us = {};  // of each request, in their order; where the load keeps them
};

}  // namespace billmesh::bench
