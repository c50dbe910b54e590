// One joint: from the highest cell of its heatmap to a position in network pixels.
#pragma once

#include "hd.h"

namespace edgert {

// How a peak is refined between cells.
enum class Refine {
  kNone,
  kQuarter,  // a quarter cell towards the higher neighbour (Newell et al. 2016, as HRNet does it)
  kDark      // second-order Taylor step on the blurred log-heatmap (Zhang et al. 2020)
};

// Which network pixel a cell stands for.
enum class Cells {
  kCorner,  // cell * stride: HRNet's convention
  kCenter   // (cell + 0.5) * stride - 0.5: models trained with unbiased processing
};

struct Peak {
  float x, y;  // cells
};

EDGERT_HD float quarter_step(float before, float after) {
  return after > before ? 0.25f : (after < before ? -0.25f : 0.0f);
}

// HRNet steps only where 1 < cell < size - 1 on both axes, one cell further in than needed.
EDGERT_HD Peak refine_quarter(const float* map, int width, int height, int x, int y) {
  Peak peak{static_cast<float>(x), static_cast<float>(y)};
  if (x > 1 && x < width - 1 && y > 1 && y < height - 1) {
    const float* cell = map + y * width + x;
    peak.x += quarter_step(cell[-1], cell[1]);
    peak.y += quarter_step(cell[-width], cell[width]);
  }
  return peak;
}

// `log_map` holds the 5 x 5 logarithms around the peak, row by row. The step is -H^-1 g with
// central differences; none where the Hessian is singular.
EDGERT_HD Peak dark_step(const float* log_map, int x, int y) {
  const float* c = log_map + 12;
  const float dx = 0.5f * (c[1] - c[-1]), dy = 0.5f * (c[5] - c[-5]);
  const float dxx = 0.25f * (c[2] - 2.0f * c[0] + c[-2]),
              dyy = 0.25f * (c[10] - 2.0f * c[0] + c[-10]);
  const float dxy = 0.25f * (c[6] - c[-4] - c[4] + c[-6]);
  const float determinant = dxx * dyy - dxy * dxy;
  Peak peak{static_cast<float>(x), static_cast<float>(y)};
  if (determinant != 0.0f) {
    peak.x -= (dyy * dx - dxy * dy) / determinant;
    peak.y -= (dxx * dy - dxy * dx) / determinant;
  }
  return peak;
}

EDGERT_HD float cell_to_network(float cell, float stride, Cells cells) {
  return cells == Cells::kCorner ? cell * stride : (cell + 0.5f) * stride - 0.5f;
}

}  // namespace edgert
