#include "cpu/keypoints.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>

#include "parallel.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

constexpr std::size_t kGrainMaps = 16;
constexpr int kMaxBlur = 31;  // cells
constexpr int kWindow = 5;    // cells around a peak that DARK looks at

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

// The Gaussian that OpenCV chooses for a kernel of this size when sigma is not given.
struct Gaussian {
  int radius;
  std::array<float, kMaxBlur> weights;

  explicit Gaussian(int size) : radius(size / 2), weights{} {
    const double sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
    double sum = 0;
    std::array<double, kMaxBlur> exact{};
    for (int i = 0; i < size; ++i) {
      const double distance = i - radius;
      exact[static_cast<std::size_t>(i)] = std::exp(-distance * distance / (2 * sigma * sigma));
      sum += exact[static_cast<std::size_t>(i)];
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(exact[i] / sum);
  }
};

// The blurred map's 5 x 5 cells around (x, y); cells outside the map count as 0. The original
// rescales the blurred map to the maximum before; a factor does not change the derivatives of the
// logarithm.
void blur_window(const float* map, int width, int height, int x, int y, const Gaussian& gaussian,
                 float* window) {
  const int reach = gaussian.radius + kWindow / 2;
  for (int i = 0; i < kWindow * kWindow; ++i) window[i] = 0.0f;
  for (int dy = -reach; dy <= reach; ++dy) {
    if (y + dy < 0 || y + dy >= height) continue;
    const float* row = map + (y + dy) * width;
    float blurred[kWindow] = {};
    for (int column = 0; column < kWindow; ++column) {
      for (int k = -gaussian.radius; k <= gaussian.radius; ++k) {
        const int source = x + column - kWindow / 2 + k;
        if (source < 0 || source >= width) continue;
        blurred[column] +=
            gaussian.weights[static_cast<std::size_t>(k + gaussian.radius)] * row[source];
      }
    }
    for (int line = 0; line < kWindow; ++line) {
      const int k = dy - (line - kWindow / 2);
      if (k < -gaussian.radius || k > gaussian.radius) continue;
      const float weight = gaussian.weights[static_cast<std::size_t>(k + gaussian.radius)];
      for (int column = 0; column < kWindow; ++column) {
        window[line * kWindow + column] += weight * blurred[column];
      }
    }
  }
}

Peak refine_dark(const float* map, int width, int height, int x, int y, const Gaussian& gaussian) {
  if (x <= 1 || x >= width - 2 || y <= 1 || y >= height - 2) {
    return {static_cast<float>(x), static_cast<float>(y)};
  }
  float window[kWindow * kWindow];
  blur_window(map, width, height, x, y, gaussian, window);
  for (float& value : window) value = std::log(std::max(value, 1e-10f));
  return dark_step(window, x, y);
}

// One person's joints; each map is looked at on its own.
class JointDecoder {
 public:
  JointDecoder(const Heatmaps& heatmaps, const HeatmapLayout& layout)
      : heatmaps_(heatmaps), layout_(layout), gaussian_(layout.blur_kernel) {}

  // Map `index` counts joints within people. False: a value is not finite.
  bool decode(std::size_t index, const Affine& to_frame, float* keypoint, float* score) const {
    const Heatmaps& h = heatmaps_;
    const std::size_t size = h.map_size();
    const float* map = h.data + index * size;
    const Maximum maximum = find_maximum(map, size);
    float x = 0.5f * layout_.stride_x * static_cast<float>(h.width);
    float y = 0.5f * layout_.stride_y * static_cast<float>(h.height);
    if (maximum.finite) {
      const int cell = static_cast<int>(find_first(map, size, maximum.value));
      const Peak peak = refine(index, map, cell % h.width, cell / h.width);
      x = cell_to_network(peak.x, layout_.stride_x, layout_.cells);
      y = cell_to_network(peak.y, layout_.stride_y, layout_.cells);
    }
    keypoint[0] = static_cast<float>(to_frame.x(x));
    keypoint[1] = static_cast<float>(to_frame.y(y));
    *score = maximum.finite ? maximum.value : 0.0f;
    return maximum.finite;
  }

 private:
  Peak refine(std::size_t index, const float* map, int x, int y) const {
    const Heatmaps& h = heatmaps_;
    if (h.offsets != nullptr) return refine_by_offsets(index, x, y);
    switch (layout_.refine) {
      case Refine::kQuarter:
        return refine_quarter(map, h.width, h.height, x, y);
      case Refine::kDark:
        return refine_dark(map, h.width, h.height, x, y, gaussian_);
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
  Gaussian gaussian_;
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
