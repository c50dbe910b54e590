#include "cpu/keypoints.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "parallel.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

constexpr std::size_t kGrainMaps = 16;

struct Maximum {
  float value;
  bool finite;
};

// Two vectors of running maxima, so that one comparison need not wait for the one before. 0 * value
// is NaN for infinities and NaNs, and a sum keeps it.
EDGERT_MULTIVERSION
Maximum find_maximum(const float* values, std::size_t count) {
  constexpr std::size_t kLanes = sizeof(Float16) / sizeof(float);
  Float16 best[2], zeros[2] = {};
  best[0] = best[1] = Float16{} - INFINITY;
  std::size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    for (std::size_t half = 0; half < 2; ++half) {
      Float16 value;
      std::memcpy(&value, values + i + half * kLanes, sizeof(value));
      best[half] = best[half] < value ? value : best[half];
      zeros[half] += 0.0f * value;
    }
  }
  const Float16 both = best[0] < best[1] ? best[1] : best[0], sums = zeros[0] + zeros[1];
  float highest = -INFINITY, zero = 0.0f;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    highest = highest < both[lane] ? both[lane] : highest;
    zero += sums[lane];
  }
  for (; i < count; ++i) {
    highest = highest < values[i] ? values[i] : highest;
    zero += 0.0f * values[i];
  }
  return {highest, zero == 0.0f};
}

EDGERT_MULTIVERSION
std::size_t find_first(const float* values, std::size_t count, float wanted) {
  constexpr std::size_t kBlock = 64;
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    int found = 0;
    for (std::size_t j = 0; j < kBlock; ++j) found |= values[i + j] == wanted;
    if (found) break;
  }
  while (i < count && values[i] != wanted) ++i;
  return i;
}

// The blurred map's cells around (x, y): the rows first, then the columns.
template <typename At>
Peak refine_dark(At at, int width, int height, int x, int y, const BlurKernel& blur) {
  if (!dark_applies(width, height, x, y)) return {static_cast<float>(x), static_cast<float>(y)};
  float rows[kDarkWindow][kDarkMaxBlur + kDarkWindow - 1];
  float window[kDarkWindow * kDarkWindow];
  const int half = kDarkWindow / 2, reach = blur.radius + half;
  for (int column = 0; column < kDarkWindow; ++column) {
    for (int row = std::max(y - reach, 0); row <= std::min(y + reach, height - 1); ++row) {
      rows[column][row - y + reach] = blur_row(at, width, x + column - half, row, blur);
    }
    const auto row_at = [&](int row) { return rows[column][row - y + reach]; };
    for (int line = 0; line < kDarkWindow; ++line) {
      window[line * kDarkWindow + column] = blur_column(row_at, height, y + line - half, blur);
    }
  }
  for (float& value : window) value = dark_log(value);
  return dark_step(window, x, y);
}

// One person's joints; each map is looked at on its own.
class JointDecoder {
 public:
  JointDecoder(const Heatmaps& heatmaps, const HeatmapLayout& layout)
      : heatmaps_(heatmaps), layout_(layout), blur_(gaussian(layout.blur_kernel)) {}

  // Map `index` counts joints within people. False: a value is not finite.
  bool decode(std::size_t index, const Affine& to_frame, float* keypoint, float* score) const {
    const Heatmaps& h = heatmaps_;
    const std::size_t size = h.map_size();
    const float* map = h.data + index * size;
    const Maximum maximum = find_maximum(map, size);
    float highest = 0.0f;
    float x = 0.5f * layout_.stride_x * static_cast<float>(h.width);
    float y = 0.5f * layout_.stride_y * static_cast<float>(h.height);
    if (maximum.finite) {
      const int cell = static_cast<int>(find_first(map, size, maximum.value));
      highest = map[cell];  // of two zeros, which the maximum need not be
      const Peak peak = refine(index, map, cell % h.width, cell / h.width);
      x = cell_to_network(peak.x, layout_.stride_x, layout_.cells);
      y = cell_to_network(peak.y, layout_.stride_y, layout_.cells);
    }
    keypoint[0] = static_cast<float>(to_frame.x(x));
    keypoint[1] = static_cast<float>(to_frame.y(y));
    *score = highest;
    return maximum.finite;
  }

 private:
  Peak refine(std::size_t index, const float* map, int x, int y) const {
    const Heatmaps& h = heatmaps_;
    if (h.offsets != nullptr) return refine_by_offsets(index, x, y);
    const auto at = [&](int column, int row) { return map[row * h.width + column]; };
    switch (layout_.refine) {
      case Refine::kQuarter:
        return refine_quarter(at, h.width, h.height, x, y);
      case Refine::kDark:
        return refine_dark(at, h.width, h.height, x, y, blur_);
      case Refine::kNone:
        break;
    }
    return {static_cast<float>(x), static_cast<float>(y)};
  }

  Peak refine_by_offsets(std::size_t index, int x, int y) const {
    const OffsetLayout& offsets = layout_.offsets;
    const auto joints = static_cast<std::size_t>(heatmaps_.joints);
    const std::size_t person = index / joints, joint = index % joints;
    const std::size_t step = offsets.interleaved ? 1 : joints;
    const std::size_t first = 2 * joints * person + (offsets.interleaved ? 2 * joint : joint);
    const auto cell = static_cast<std::size_t>(y * heatmaps_.width + x);
    const auto at = [&](std::size_t channel) {
      const float value = heatmaps_.offsets[channel * heatmaps_.map_size() + cell];
      return std::isfinite(value) ? value * offsets.cells_per_unit : 0.0f;
    };
    const float a = at(first), b = at(first + step);
    return {static_cast<float>(x) + (offsets.x_first ? a : b),
            static_cast<float>(y) + (offsets.x_first ? b : a)};
  }

  const Heatmaps& heatmaps_;
  const HeatmapLayout& layout_;
  BlurKernel blur_;
};

}  // namespace

std::size_t decode_heatmaps(const Heatmaps& heatmaps, const HeatmapLayout& layout,
                            std::span<const Affine> to_frame, float* keypoints, float* scores) {
  const JointDecoder decoder(heatmaps, layout);
  const auto joints = static_cast<std::size_t>(heatmaps.joints);
  std::atomic<std::size_t> dropped{0};
  parallel_for(static_cast<std::size_t>(heatmaps.people) * joints, kGrainMaps,
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) {
                   const Affine& affine = to_frame[i / joints];
                   if (!decoder.decode(i, affine, keypoints + 2 * i, scores + i)) ++dropped;
                 }
               });
  return dropped;
}

}  // namespace edgert::cpu
