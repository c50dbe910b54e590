// Pose output -> keypoints: what is read, and what DARK blurs it with.
#pragma once

#include <cstddef>

#include "keypoints.h"

namespace edgert {

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
