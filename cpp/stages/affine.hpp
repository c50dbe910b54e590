// The map that leads from network pixels back to frame pixels. Axis-aligned: edgert never rotates.
#pragma once

#include "warp.h"

namespace edgert {

// frame = network * scale + offset, per axis; in double, since it places results, not samples.
struct Affine {
  double scale_x = 1, offset_x = 0;
  double scale_y = 1, offset_y = 0;

  double x(double network_x) const { return network_x * scale_x + offset_x; }
  double y(double network_y) const { return network_y * scale_y + offset_y; }

  AxisMap x_axis() const { return {static_cast<float>(scale_x), static_cast<float>(offset_x)}; }
  AxisMap y_axis() const { return {static_cast<float>(scale_y), static_cast<float>(offset_y)}; }
};

// A region of the frame in a network input, and the way back.
struct Placement {
  Warp warp;
  Affine to_frame;
};

}  // namespace edgert
