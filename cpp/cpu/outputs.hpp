// What networks put out, float or half, as boxes, joints and numbers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cpu/boxes.hpp"
#include "stages/affine.hpp"
#include "stages/detect.hpp"
#include "stages/pose.hpp"
#include "tensor.hpp"

namespace edgert::cpu {

// Belongs to one thread, and keeps its memory.
class OutputReader {
 public:
  // Decodes a detector output (1, 4 + classes + 3 * joints, anchors).
  void decode_boxes(const TensorView& output, int classes, const BoxFilter& filter,
                    const Affine& to_frame, Detections& detections);

  // Decodes the first to_frame.size() items of (N, joints, h, w); `offsets` is null or (N, 2 *
  // joints, h, w). Writes keypoints (people, joints, 2) and scores (people, joints); returns the
  // heatmaps dropped.
  std::size_t decode_heatmaps(const TensorView& heatmaps, const TensorView* offsets,
                              const HeatmapLayout& layout, std::span<const Affine> to_frame,
                              float* keypoints, float* scores);

 private:
  BoxDecoder decoder_;
  std::vector<float> first_, second_;  // half outputs widened
};

// Copies the first `items` of an output, as float.
void read(const TensorView& output, std::size_t items, float* values);

}  // namespace edgert::cpu
