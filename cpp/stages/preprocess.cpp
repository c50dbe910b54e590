#include "stages/preprocess.hpp"

#include <algorithm>
#include <cmath>

namespace edgert {

Placement letterbox(int frame_width, int frame_height, int width, int height) {
  const double ratio = std::min(static_cast<double>(width) / frame_width,
                                static_cast<double>(height) / frame_height);
  // nearbyint rounds halves to even, as Python's round() does in the training code.
  const auto scaled = [ratio](int size) {
    return std::max(1, static_cast<int>(std::nearbyint(size * ratio)));
  };
  const int shown_width = scaled(frame_width), shown_height = scaled(frame_height);
  const auto margin = [](int free) { return static_cast<int>(std::nearbyint(free / 2.0 - 0.1)); };
  const int left = margin(width - shown_width), top = margin(height - shown_height);

  Placement placement{};
  Affine& to_frame = placement.to_frame;
  to_frame.scale_x = static_cast<double>(frame_width) / shown_width;
  to_frame.scale_y = static_cast<double>(frame_height) / shown_height;
  to_frame.offset_x = -left * to_frame.scale_x;
  to_frame.offset_y = -top * to_frame.scale_y;
  placement.warp = {to_frame.x_axis(), to_frame.y_axis(), left, top, shown_width,
                    shown_height,      Border::kReplicate};
  return placement;
}

Normalization normalize(const std::array<float, 3>& mean, const std::array<float, 3>& std,
                        float fill) {
  Normalization normalization{};
  for (std::size_t c = 0; c < 3; ++c) {
    normalization.gain[c] = 1.0f / (255.0f * std[c]);
    normalization.bias[c] = -mean[c] / std[c];
    normalization.fill[c] = fill * normalization.gain[c] + normalization.bias[c];
  }
  return normalization;
}

}  // namespace edgert
