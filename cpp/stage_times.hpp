// How long each stage took: a histogram a stage, of fixed size, written by the pipeline's threads.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace edgert {

// In the order in which a frame meets them. kUpload and kHost are there on a device: kHost is what
// the host does for a frame but for the tracker, waiting left out. kTotal is from submit to done.
enum class Stage {
  kUpload,
  kPreprocess,
  kDetect,
  kBoxes,
  kReid,
  kTrack,
  kCrop,
  kPose,
  kKeypoints,
  kHost,
  kTotal
};

inline constexpr std::array<const char*, 11> kStageNames{
    "upload", "preprocess", "detect",    "boxes", "reid", "track",
    "crop",   "pose",       "keypoints", "host",  "total"};

// Logarithmic bins with 32 steps an octave: a percentile is right to 1.6 %.
class TimeHistogram {
 public:
  void add(std::int64_t time_ns);

  std::uint64_t count() const { return count_; }
  double mean_ms() const;
  double percentile_ms(double percent) const;

 private:
  static constexpr int kStepsLog2 = 5;
  static constexpr int kOctaves = 40;  // up to 18 minutes
  std::array<std::uint64_t, (kOctaves << kStepsLog2)> bins_{};
  std::uint64_t count_ = 0;
  double sum_ns_ = 0;
};

class StageTimes {
 public:
  using Clock = std::chrono::steady_clock;

  void add(Stage stage, Clock::duration time);
  void add_ms(Stage stage, float time_ms) {
    add(stage, std::chrono::duration_cast<Clock::duration>(
                   std::chrono::duration<float, std::milli>(time_ms)));
  }
  void clear();
  TimeHistogram snapshot(Stage stage) const;

 private:
  mutable std::mutex mutex_;
  std::array<TimeHistogram, kStageNames.size()> histograms_;
};

// Adds up the pieces of a stage that runs several times within a frame.
class Stopwatch {
 public:
  template <typename Work>
  void time(Work&& work) {
    const auto start = StageTimes::Clock::now();
    work();
    total_ += StageTimes::Clock::now() - start;
  }
  StageTimes::Clock::duration total() const { return total_; }

 private:
  StageTimes::Clock::duration total_{};
};

template <typename Work>
void timed(StageTimes& times, Stage stage, Work&& work) {
  Stopwatch watch;
  watch.time(work);
  times.add(stage, watch.total());
}

}  // namespace edgert
