// Heatmaps -> joints: one block a heatmap finds its highest cell and refines it.
#include "half.h"
#include "keypoints.h"
#include "launch.h"

namespace edgert {

constexpr int kJointWarps = kJointThreads / 32;
constexpr int kUsualCells = 96 * 72;
constexpr int kDarkRows = kDarkMaxBlur + kDarkWindow - 1;

struct alignas(16) Line {
  unsigned word[4];
};

template <typename T>
__device__ inline float cell_of(const Line& line, int i);
template <>
__device__ inline float cell_of<float>(const Line& line, int i) {
  return float_of(line.word[i]);
}
template <>
__device__ inline float cell_of<unsigned short>(const Line& line, int i) {
  return from_half(static_cast<unsigned short>(line.word[i / 2] >> i % 2 * 16));
}

// The highest of the cells that fall to this thread, and the first of the cells next to each other
// among which it is.
struct Highest {
  float value = float_of(0xff800000u);
  int near = 0;
};

// False where a cell is not finite.
template <typename T>
__device__ inline bool look(const T* map, int cells, Highest& highest) {
  constexpr int kCells = 16 / sizeof(T);
  const int thread = static_cast<int>(threadIdx.x);
  float zero = 0.0f;  // 0 * value is NaN for infinities and NaNs
  const auto seen = [&](float value) {
    zero = __fmaf_rn(0.0f, value, zero);
    return value;
  };
  const auto take = [&](float value, int near) {
    if (highest.value < value) highest = {value, near};
  };
  // Single cells up to the first whole line of memory, lines, single cells.
  const int offset = static_cast<int>(reinterpret_cast<unsigned long long>(map) % 16 / sizeof(T));
  const int head = offset == 0 ? 0 : (kCells - offset < cells ? kCells - offset : cells);
  const int lines = (cells - head) / kCells;
  if (thread < head) take(seen(widened(map[thread])), thread);
  // All of a thread's lines of a usual map are on their way before the first is looked at.
  constexpr int kLines = (kUsualCells / kCells + kJointThreads - 1) / kJointThreads;
#pragma unroll 1
  for (int first = thread; first < lines; first += kLines * kJointThreads) {
    Line line[kLines];
#pragma unroll
    for (int n = 0; n < kLines; ++n) {
      const int i = first + n * kJointThreads;
      if (i < lines) line[n] = reinterpret_cast<const Line*>(map + head)[i];
    }
#pragma unroll
    for (int n = 0; n < kLines; ++n) {
      const int i = first + n * kJointThreads;
      if (i >= lines) break;
      float value = seen(cell_of<T>(line[n], 0));
#pragma unroll
      for (int k = 1; k < kCells; ++k) value = larger(value, seen(cell_of<T>(line[n], k)));
      take(value, head + i * kCells);
    }
  }
  const int rest = head + lines * kCells + thread;
  if (rest < cells) take(seen(widened(map[rest])), rest);
  return zero == 0.0f;
}

// The first of the map's highest cells, in every thread; -1 where one is not finite.
template <typename T>
__device__ inline int first_highest(const T* map, int cells) {
  __shared__ float of_warp[kJointWarps];
  __shared__ int cell;
  Highest own;
  const bool finite = look(map, cells, own);
  float highest = own.value;
  for (int distance = 16; distance > 0; distance /= 2)
    highest = larger(highest, __shfl_down_sync(0xffffffffu, highest, distance));
  if (threadIdx.x == 0) cell = cells;
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = highest;
  if (__syncthreads_or(!finite)) return -1;
  highest = of_warp[0];
  for (int w = 1; w < kJointWarps; ++w) highest = larger(highest, of_warp[w]);
  if (own.value == highest) {
    constexpr int kNear = 16 / sizeof(T);
    int first = own.near;
#pragma unroll
    for (int k = kNear - 1; k >= 0; --k) {
      const int at = own.near + k;
      if (at < cells && widened(map[at]) == highest) first = at;
    }
    atomicMin(&cell, first);
  }
  __syncthreads();
  return cell;
}

// All threads compute the window of derivatives together; the answer is every thread's.
template <typename At>
__device__ inline Peak refine_dark(At at, int width, int height, int x, int y,
                                   const BlurKernel& blur) {
  __shared__ float rows[kDarkWindow][kDarkRows];
  __shared__ float window[kDarkWindow * kDarkWindow];
  const int thread = static_cast<int>(threadIdx.x);
  const int half = kDarkWindow / 2, reach = blur.radius + half, lines = 2 * reach + 1;
  for (int i = thread; i < kDarkWindow * lines; i += kJointThreads) {
    const int column = i / lines, line = i % lines, row = y - reach + line;
    if (row >= 0 && row < height)
      rows[column][line] = blur_row(at, width, x + column - half, row, blur);
  }
  __syncthreads();
  if (thread < kDarkWindow * kDarkWindow) {
    const int line = thread / kDarkWindow, column = thread % kDarkWindow;
    const auto row_at = [&](int row) { return rows[column][row - y + reach]; };
    window[thread] = dark_log(blur_column(row_at, height, y + line - half, blur));
  }
  __syncthreads();
  return dark_step(window, x, y);
}

// Offsets of all joints of a person, (2 * joints, height, width), in one cell.
template <typename T>
__device__ inline Peak refine_by_offsets(const T* offsets, const OffsetLayout& layout, int joints,
                                         int joint, int cells, int cell, int width) {
  const int step = layout.interleaved ? 1 : joints;
  const int first = layout.interleaved ? 2 * joint : joint;
  const auto at = [&](int channel) {
    const float value = widened(offsets[static_cast<long long>(channel) * cells + cell]);
    return 0.0f * value == 0.0f ? value * layout.cells_per_unit : 0.0f;
  };
  const float a = at(first), b = at(first + step);
  return {static_cast<float>(cell % width) + (layout.x_first ? a : b),
          static_cast<float>(cell / width) + (layout.x_first ? b : a)};
}

template <typename T>
__device__ inline void decode_joint(const HeatmapInput& input, const HeatmapLayout& layout,
                                    const BlurKernel& blur, Joint* output) {
  const int width = input.width, height = input.height, cells = width * height;
  const int index = static_cast<int>(blockIdx.x);
  const T* map = static_cast<const T*>(input.heatmaps) + static_cast<long long>(index) * cells;
  const int cell = first_highest(map, cells);
  if (cell < 0) {
    if (threadIdx.x == 0) {
      output[index] = {0.5f * layout.stride_x * static_cast<float>(width),
                       0.5f * layout.stride_y * static_cast<float>(height), 0.0f, 0};
    }
    return;
  }

  const bool dark = input.offsets == nullptr && layout.refine == Refine::kDark;
  if (threadIdx.x != 0 && !dark) return;  // one thread does the rest
  const int x = cell % width, y = cell / width;
  const auto at = [&](int column, int row) { return widened(map[row * width + column]); };
  Peak peak{static_cast<float>(x), static_cast<float>(y)};
  if (input.offsets != nullptr) {
    const int person = index / input.joints, joint = index % input.joints;
    const long long first = 2LL * input.joints * cells * person;
    peak = input.offsets_half
               ? refine_by_offsets(static_cast<const unsigned short*>(input.offsets) + first,
                                   layout.offsets, input.joints, joint, cells, cell, width)
               : refine_by_offsets(static_cast<const float*>(input.offsets) + first, layout.offsets,
                                   input.joints, joint, cells, cell, width);
  } else if (layout.refine == Refine::kQuarter) {
    peak = refine_quarter(at, width, height, x, y);
  } else if (dark && dark_applies(width, height, x, y)) {
    peak = refine_dark(at, width, height, x, y, blur);
  }
  if (threadIdx.x == 0) {
    output[index] = {cell_to_network(peak.x, layout.stride_x, layout.cells),
                     cell_to_network(peak.y, layout.stride_y, layout.cells), at(x, y), 1};
  }
}

}  // namespace edgert

#define EDGERT_JOINTS(type, in)                                                             \
  extern "C" __global__ void __launch_bounds__(edgert::kJointThreads)                       \
      joints_##in(edgert::HeatmapInput input, edgert::HeatmapLayout layout,                 \
                  const __grid_constant__ edgert::BlurKernel blur, edgert::Joint* output) { \
    edgert::decode_joint<type>(input, layout, blur, output);                                \
  }

EDGERT_JOINTS(float, f32)
EDGERT_JOINTS(unsigned short, f16)
#undef EDGERT_JOINTS
