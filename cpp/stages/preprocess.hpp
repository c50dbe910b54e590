// Frame -> detector input: the letterbox that YOLOv8 is trained with.
#pragma once

#include <array>

#include "stages/affine.hpp"

namespace edgert {

// The frame scaled by r = min(W / w, H / h) to whole pixels, centred, without blending at its
// border. Sizes in pixels, all at least 1.
Placement letterbox(int frame_width, int frame_height, int width, int height);

// Stores (value / 255 - mean) / std, per channel in RGB order. `fill` is a colour value, 0 to 255.
Normalization normalize(const std::array<float, 3>& mean, const std::array<float, 3>& std,
                        float fill);

}  // namespace edgert
