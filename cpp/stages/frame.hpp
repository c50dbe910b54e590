// What a frame's luma and chroma mean: the standards of video, as the integers of kernels/color.h.
#pragma once

#include "frame.h"

namespace edgert {

enum class YuvStandard { kBt601, kBt709 };
enum class YuvRange { kLimited, kFull };  // luma 16 to 235, or 0 to 255

YuvMatrix yuv_matrix(YuvStandard standard, YuvRange range);

}  // namespace edgert
