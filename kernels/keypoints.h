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

// Heatmaps of some people on a device: (people, joints, height, width) floats or halves.
struct HeatmapInput {
  const void* heatmaps;
  const void* offsets;  // null, or (people, 2 * joints, height, width)
  bool offsets_half;
  int joints, height, width;
};

struct Peak {
  float x, y;  // cells
};

// One joint as a GPU leaves it in memory that the host reads: network pixels. `finite` is 0 where
// the heatmap holds a value that is not; then x, y are the crop's centre and the score is 0.
struct Joint {
  float x, y, score;
  int finite;
};

EDGERT_HD float quarter_step(float before, float after) {
  return after > before ? 0.25f : (after < before ? -0.25f : 0.0f);
}

// HRNet steps only where 1 < cell < size - 1 on both axes, one cell further in than needed.
// `at(x, y)` gives a cell's value.
template <typename At>
EDGERT_HD Peak refine_quarter(At at, int width, int height, int x, int y) {
  Peak peak{static_cast<float>(x), static_cast<float>(y)};
  if (x > 1 && x < width - 1 && y > 1 && y < height - 1) {
    peak.x += quarter_step(at(x - 1, y), at(x + 1, y));
    peak.y += quarter_step(at(x, y - 1), at(x, y + 1));
  }
  return peak;
}

constexpr int kDarkMaxBlur = 31;  // cells
constexpr int kDarkWindow = 5;    // cells around a peak that DARK looks at

// A Gaussian's weights, computed once a model (stages/pose.hpp).
struct BlurKernel {
  int radius;
  float weights[kDarkMaxBlur];
};

// DARK steps where the window of its derivatives lies within the map.
EDGERT_HD bool dark_applies(int width, int height, int x, int y) {
  return x > 1 && x < width - 2 && y > 1 && y < height - 2;
}

// One row of the map, blurred around column x; cells outside the map count as 0.
template <typename At>
EDGERT_HD float blur_row(At at, int width, int x, int y, const BlurKernel& blur) {
  float sum = 0.0f;
  for (int k = -blur.radius; k <= blur.radius; ++k) {
    const int source = x + k;
    if (source >= 0 && source < width) sum += blur.weights[k + blur.radius] * at(source, y);
  }
  return sum;
}

// Rows that are blurred already, around row y: `row_at(y)` gives them.
template <typename RowAt>
EDGERT_HD float blur_column(RowAt row_at, int height, int y, const BlurKernel& blur) {
  float sum = 0.0f;
  for (int k = -blur.radius; k <= blur.radius; ++k) {
    const int source = y + k;
    if (source >= 0 && source < height) sum += blur.weights[k + blur.radius] * row_at(source);
  }
  return sum;
}

// Natural logarithm of a normal float, to 2 ulp; in plain arithmetic, so that host and device give
// the same bits. value = m * 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 artanh((m - 1) / (m +
// 1)).
EDGERT_HD float log_of(float value) {
  const unsigned shifted = bits_of(value) - 0x3f3504f3u;  // of sqrt(1/2)
  const int exponent = static_cast<int>(shifted) >> 23;
  const float mantissa = float_of((shifted & 0x7fffffu) + 0x3f3504f3u);
  const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
  const float s2 = s * s;
  const float series =
      s2 * (0.666666667f + s2 * (0.4f + s2 * (0.285714286f + s2 * (0.222222222f + s2 * 0.2f))));
  // ln 2 in two parts, of which the first times any exponent is exact.
  const float e = static_cast<float>(exponent);
  return e * 0.693145752f + (e * 1.42860677e-6f + (2.0f * s + s * series));
}

// The original rescales the blurred map to the maximum before; a factor does not change the
// derivatives of the logarithm.
EDGERT_HD float dark_log(float blurred) {
  return log_of(blurred < 1e-10f ? 1e-10f : blurred);
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
