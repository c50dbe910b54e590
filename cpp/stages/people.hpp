// What a frame results in: parallel arrays of the people in it, and how they are chosen from
// detections.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "boxes.h"
#include "stages/detect.hpp"

namespace edgert {

// Boxes and keypoints in frame pixels.
struct People {
  std::vector<Box> boxes;
  std::vector<float> scores;
  std::vector<std::int32_t> class_ids;
  std::vector<std::int64_t> ids;       // -1: not tracked
  std::vector<float> keypoints;        // (count, joints, 2)
  std::vector<float> keypoint_scores;  // (count, joints)
  int joints = 0;

  std::size_t size() const { return boxes.size(); }
  void clear();
  // Appends detection `index`, with its keypoints where the detector gives them.
  void add(const Detections& detections, std::size_t index, std::int64_t id);
};

// Without a tracker: every detection, in their order.
void take_all(const Detections& detections, People& people);

// With one: the detections that tracks took, in the tracks' order; then, if `untracked_above` is
// not NaN, the other detections that score more, in their order, with id -1.
void take_tracked(const Detections& detections, std::span<const std::int64_t> ids,
                  std::span<const std::int32_t> detection_indices, float untracked_above,
                  People& people);

}  // namespace edgert
