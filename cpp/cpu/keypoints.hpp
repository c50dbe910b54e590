// Heatmap decoding on the host.
#pragma once

#include <cstddef>
#include <span>

#include "stages/affine.hpp"
#include "stages/pose.hpp"

namespace edgert::cpu {

// Writes keypoints (people, joints, 2) in frame pixels and scores (people, joints), the heatmaps'
// highest values (the first of equals). A heatmap with a value that is not finite gives score 0 at
// the crop's centre. Returns how many such heatmaps there were. Allocates nothing.
std::size_t decode_heatmaps(const Heatmaps& heatmaps, const HeatmapLayout& layout,
                            std::span<const Affine> to_frame, float* keypoints, float* scores);

}  // namespace edgert::cpu
