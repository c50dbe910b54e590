// The few things a device must do between the networks. cpu/ does them as loops over kernels/*.h.
#pragma once

#include <cstddef>
#include <span>

#include "stages/affine.hpp"
#include "stages/detect.hpp"
#include "stages/frame.hpp"
#include "stages/pose.hpp"
#include "tensor.hpp"

namespace edgert {

class Backend {
 public:
  virtual ~Backend() = default;

  // Fills the first placements.size() items of a network input (N, 3, H, W).
  virtual void warp(const FrameView& frame, std::span<const Placement> placements,
                    const Normalization& normalization, const TensorView& input) = 0;

  // Decodes a detector output (1, 4 + classes + 3 * joints, anchors).
  virtual void decode_boxes(const TensorView& output, int classes, const BoxFilter& filter,
                            const Affine& to_frame, Detections& detections) = 0;

  // Decodes the first to_frame.size() items of (N, joints, h, w); `offsets` is null or (N, 2 *
  // joints, h, w). Writes keypoints (people, joints, 2) and scores (people, joints); returns the
  // heatmaps dropped.
  virtual std::size_t decode_heatmaps(const TensorView& heatmaps, const TensorView* offsets,
                                      const HeatmapLayout& layout, std::span<const Affine> to_frame,
                                      float* keypoints, float* scores) = 0;

  // Copies the first `items` of an output to the host, as float.
  virtual void read(const TensorView& output, std::size_t items, float* values) = 0;
};

}  // namespace edgert
