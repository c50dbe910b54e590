#include "track/detections.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.hpp"
#include "track/limits.hpp"

namespace edgert::track {
namespace {

constexpr double kLargestCoordinate =
    1e7;                                // px; with kSmallestSide keeps every later square finite
constexpr double kSmallestSide = 1e-3;  // px

bool usable(const Box& box) {
  const auto in_range = [](double x) {
    return std::abs(x) <= kLargestCoordinate;
  };  // false for NaN
  return in_range(box.x1) && in_range(box.y1) && in_range(box.x2) && in_range(box.y2) &&
         box.x2 - box.x1 >= kSmallestSide && box.y2 - box.y1 >= kSmallestSide;
}

void check_sizes(const Detections& d, bool class_aware) {
  const std::size_t count = d.scores.size();
  const auto check = [count](const char* name, std::size_t found, std::size_t expected) {
    if (found == expected) return;
    throw InvalidArgument(std::string(name) + " holds " + std::to_string(found) +
                          " values, expected " + std::to_string(expected) + " for " +
                          std::to_string(count) + " scores");
  };
  check("boxes", d.boxes.size(), 4 * count);
  if (class_aware && d.class_ids.empty() && count > 0) {
    throw InvalidArgument("class_ids is missing, expected one per box: the tracker is class_aware");
  }
  if (!d.class_ids.empty()) check("class_ids", d.class_ids.size(), count);
  if (!d.features.empty()) check("features", d.features.size(), d.feature_width * count);
}

void check_warp(const Warp& warp) {
  for (const double entry : {warp.a, warp.b, warp.tx, warp.c, warp.d, warp.ty}) {
    if (!(std::abs(entry) <= 1e6)) {
      throw InvalidArgument(
          "warp holds " + std::to_string(entry) +
          ", expected finite entries of at most 1000000; pass None for frames whose "
          "camera motion could not be estimated");
    }
  }
  if (!(warp.scale() > 1e-3)) {
    throw InvalidArgument("warp has the scale " + std::to_string(warp.scale()) +
                          ", expected an invertible 2x3 matrix near [[1, 0, 0], [0, 1, 0]]");
  }
}

}  // namespace

Intake::Intake(const ByteTrackOptions& options)
    : high_thresh_(options.track_high_thresh),
      low_thresh_(options.track_low_thresh),
      largest_cost_(std::max(options.match_thresh, kUnconfirmedLimit)),
      least_high_iou_(1 - options.proximity_thresh),
      fuse_score_(options.fuse_score),
      class_aware_(options.class_aware) {}

void Intake::load(const Detections& detections) {
  check_sizes(detections, class_aware_);
  if (detections.warp) check_warp(*detections.warp);
  high.clear();
  low.clear();
  dropped = 0;
  for (std::size_t i = 0; i < detections.scores.size(); ++i) {
    const double score = detections.scores[i];
    if (score < 0 || score > 1) {
      throw InvalidArgument(
          "scores[" + std::to_string(i) + "] is " + std::to_string(score) +
          ", expected a probability from 0 to 1; apply a sigmoid to logits, divide "
          "percentages by 100");
    }
    const Box box{detections.boxes[4 * i], detections.boxes[4 * i + 1], detections.boxes[4 * i + 2],
                  detections.boxes[4 * i + 3]};
    if (!usable(box) || std::isnan(score)) {
      ++dropped;
      continue;
    }
    const std::int32_t class_id = detections.class_ids.empty() ? -1 : detections.class_ids[i];
    const Candidates::Candidate candidate{box, score, static_cast<std::int32_t>(i), class_id};
    // Scores equal to a threshold are dropped: every comparison of the reference is strict.
    if (score > high_thresh_) {
      const double weight = fuse_score_ ? score : 1;
      double least_iou = (1 - largest_cost_) / weight;
      if (!detections.features.empty()) least_iou = std::min(least_iou, least_high_iou_);
      add(high, candidate, least_iou);
    } else if (score > low_thresh_ && score < high_thresh_) {
      add(low, candidate, 1 - kLowLimit);
    }
  }
  high.index.build();
  low.index.build();
}

// The reference keeps boxes as corner and size: x2 and y2 are rounded as it rounds them.
void Intake::add(Candidates& to, const Candidates::Candidate& candidate, double least_iou) {
  to.items.push_back(candidate);
  Box& box = to.items.back().box;
  box.x2 = box.x1 + (box.x2 - box.x1);
  box.y2 = box.y1 + (box.y2 - box.y1);
  to.index.add(box, least_iou);
}

}  // namespace edgert::track
