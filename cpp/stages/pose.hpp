// Pose output -> keypoints: how heatmaps are to be read.
#pragma once

#include <cstddef>

#include "keypoints.h"

namespace edgert {

// How a model's second output refines its peaks: one vector a cell, added to the peak's cell.
struct OffsetLayout {
  bool x_first = true;  // x before y
  bool interleaved =
      true;  // channels x0 y0 x1 y1 ...; otherwise all of one axis, then all of the other
  float cells_per_unit = 1;  // 1 for offsets in cells, 1 / stride for offsets in network pixels
};

struct HeatmapLayout {
  float stride_x = 4, stride_y = 4;  // network pixels a cell
  Refine refine = Refine::kQuarter;
  Cells cells = Cells::kCorner;
  int blur_kernel = 11;  // of Refine::kDark: odd, in cells, at most kDarkMaxBlur
  OffsetLayout offsets;
};

// The Gaussian that OpenCV chooses for a kernel of this size when sigma is not given.
BlurKernel gaussian(int size);

// Heatmaps of `people` crops: (people, joints, height, width), and where the model has them offsets
// (people, 2 * joints, height, width).
struct Heatmaps {
  const float* data = nullptr;
  const float* offsets = nullptr;
  int people = 0, joints = 0, height = 0, width = 0;

  std::size_t map_size() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
};

}  // namespace edgert
