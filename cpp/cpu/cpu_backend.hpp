// The host's backend: memory is ordinary memory, and every call has done its work when it returns.
#pragma once

#include <vector>

#include "backend.hpp"
#include "cpu/boxes.hpp"

namespace edgert::cpu {

// decode_boxes() belongs to one thread, decode_heatmaps() to one thread: the two legs of a
// pipeline.
class CpuBackend final : public Backend {
 public:
  void warp(const FrameView& frame, std::span<const Placement> placements,
            const Normalization& normalization, const TensorView& input) override;
  void decode_boxes(const TensorView& output, int classes, const BoxFilter& filter,
                    const Affine& to_frame, Detections& detections) override;
  std::size_t decode_heatmaps(const TensorView& heatmaps, const TensorView* offsets,
                              const HeatmapLayout& layout, std::span<const Affine> to_frame,
                              float* keypoints, float* scores) override;
  void read(const TensorView& output, std::size_t items, float* values) override;

 private:
  BoxDecoder decoder_;
  std::vector<float> boxes_, heatmaps_, offsets_;  // half outputs widened
};

}  // namespace edgert::cpu
