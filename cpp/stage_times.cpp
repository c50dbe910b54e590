#include "stage_times.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace edgert {

void TimeHistogram::add(std::int64_t time_ns) {
  constexpr std::uint64_t kSteps = std::uint64_t{1} << kStepsLog2;
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(time_ns, 0));
  std::size_t bin = value;  // below kSteps a bin is one nanosecond wide
  if (value >= kSteps) {
    const int octave = static_cast<int>(std::bit_width(value)) - 1 - kStepsLog2;
    bin = static_cast<std::size_t>((static_cast<std::uint64_t>(octave) << kStepsLog2) +
                                   (value >> octave));
  }
  ++bins_[std::min(bin, bins_.size() - 1)];
  ++count_;
  sum_ns_ += static_cast<double>(value);
}

double TimeHistogram::mean_ms() const {
  return count_ == 0 ? 0.0 : sum_ns_ / static_cast<double>(count_) * 1e-6;
}

double TimeHistogram::percentile_ms(double percent) const {
  if (count_ == 0) return 0.0;
  const auto rank = static_cast<std::uint64_t>(
      std::max(1.0, std::ceil(percent / 100.0 * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  std::size_t bin = 0;
  while (bin + 1 < bins_.size() && (seen += bins_[bin]) < rank) ++bin;
  constexpr std::size_t kSteps = std::size_t{1} << kStepsLog2;
  if (bin < 2 * kSteps) return static_cast<double>(bin) * 1e-6;
  const auto octave = static_cast<int>(bin >> kStepsLog2) - 1;
  const double middle = static_cast<double>(bin % kSteps + kSteps) + 0.5;
  return std::ldexp(middle, octave) * 1e-6;
}

void StageTimes::add(Stage stage, Clock::duration time) {
  const auto time_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  std::lock_guard lock(mutex_);
  histograms_[static_cast<std::size_t>(stage)].add(time_ns);
}

void StageTimes::clear() {
  std::lock_guard lock(mutex_);
  histograms_ = {};
}

TimeHistogram StageTimes::snapshot(Stage stage) const {
  std::lock_guard lock(mutex_);
  return histograms_[static_cast<std::size_t>(stage)];
}

}  // namespace edgert
