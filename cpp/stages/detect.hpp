// Detector output -> boxes: what is asked for, and what comes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "boxes.h"
#include "stages/affine.hpp"

namespace edgert {

// The YOLOv8 head: (4 + classes + 3 * joints, anchors), rows of anchors. Box rows are centre x,
// centre y, width, height in network pixels; joint rows are x, y in network pixels and a score.
struct YoloHead {
  const float* data = nullptr;
  int classes = 0;
  int joints = 0;  // 0: not a one-stage pose model
  int anchors = 0;

  const float* row(int index) const {
    return data + static_cast<std::size_t>(index) * static_cast<std::size_t>(anchors);
  }
};

struct BoxFilter {
  float score_threshold = 0.25f;
  float nms_threshold = 0.7f;
  int max_detections = 300;
  std::vector<std::uint8_t> wanted_classes;  // one flag a class; empty: all
};

// Parallel arrays, best score first. Boxes and keypoints in frame pixels.
struct Detections {
  std::vector<Box> boxes;
  std::vector<float> scores;
  std::vector<std::int32_t> class_ids;
  std::vector<float> keypoints;        // (count, joints, 2), of one-stage pose models
  std::vector<float> keypoint_scores;  // (count, joints)
  std::size_t dropped_rows = 0;        // anchors with a value that is not finite

  std::size_t size() const { return boxes.size(); }
  void clear() {
    boxes.clear();
    scores.clear();
    class_ids.clear();
    keypoints.clear();
    keypoint_scores.clear();
    dropped_rows = 0;
  }
};

}  // namespace edgert
