// What a detector found in one frame, as the caller hands it over and as the tracker takes it in.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "track/box_index.hpp"
#include "track/kalman.hpp"
#include "track/options.hpp"

namespace edgert::track {

// A view of floats or doubles.
class Reals {
 public:
  Reals() = default;
  Reals(std::span<const float> values) : floats_(values.data()), size_(values.size()) {}
  Reals(std::span<const double> values) : doubles_(values.data()), size_(values.size()) {}

  std::size_t size() const { return size_; }
  double operator[](std::size_t i) const { return floats_ ? double{floats_[i]} : doubles_[i]; }

 private:
  const float* floats_ = nullptr;
  const double* doubles_ = nullptr;
  std::size_t size_ = 0;
};

struct Detections {
  Reals boxes = {};                              // x1, y1, x2, y2 of each, frame pixels
  Reals scores = {};                             // one each, in [0, 1]
  std::span<const std::int32_t> class_ids = {};  // one each, or none
  std::span<const float> features = {};          // feature_width of each, or none
  std::size_t feature_width = 0;
  std::optional<double> timestamp = {};  // seconds
  std::optional<Warp> warp = {};         // maps the last frame's pixels to this one's
};

// Detections of one score band, in the caller's order.
struct Candidates {
  struct Candidate {
    Box box;
    double score;
    std::int32_t index;  // of the caller's row
    std::int32_t class_id;
  };
  std::vector<Candidate> items;
  BoxIndex index;  // of the same boxes

  void clear() {
    items.clear();
    index.clear();
  }
};

// Checks, cleans and splits the detections of one frame.
class Intake {
 public:
  explicit Intake(const ByteTrackOptions& options);

  // throws InvalidArgument where the detections as a whole make no sense. Rows that are not finite,
  // or whose box is empty or absurdly large, are left out and counted.
  void load(const Detections& detections);

  Candidates high, low;
  std::size_t dropped = 0;  // rows left out

 private:
  void add(Candidates& to, const Candidates::Candidate& candidate, double least_iou);

  double high_thresh_, low_thresh_;
  double largest_cost_;    // of any match with a high detection
  double least_high_iou_;  // where appearance may join what IoU alone would not
  bool fuse_score_, class_aware_;
};

}  // namespace edgert::track
