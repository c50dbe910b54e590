// Frame -> detector input: the letterbox that YOLOv8 is trained with.
#pragma once

#include "stages/affine.hpp"

namespace edgert {

// The frame scaled by r = min(W / w, H / h) to whole pixels, centred, without blending at its border.
// Sizes in pixels, all at least 1.
Placement letterbox(int frame_width, int frame_height, int width, int height);

}  // namespace edgert
