// Heatmaps -> joints: one block a heatmap finds its highest cell and refines it.
#include "half.h"
#include "keypoints.h"
#include "launch.h"

namespace edgert {

constexpr int kJointWarps = kJointThreads / 32;
constexpr int kDarkRows = kDarkMaxBlur + kDarkWindow - 1;

struct Highest {
  float value;
  int cell;
};

// The first of equals.
__device__ inline Highest higher(Highest a, Highest b) {
  return b.value > a.value || (b.value == a.value && b.cell < a.cell) ? b : a;
}

template <typename T>
struct alignas(16) Line {
  T value[16 / sizeof(T)];
};

// The highest of the cells that fall to this thread; false where one is not finite.
template <typename T>
__device__ inline bool look(const T* map, int cells, Highest& highest) {
  constexpr int kCells = 16 / sizeof(T);
  const int thread = static_cast<int>(threadIdx.x);
  highest = {float_of(0xff800000u), 0x7fffffff};
  float zero = 0.0f;  // 0 * value is NaN for infinities and NaNs
  const auto take = [&](T element, int cell) {
    const float value = widened(element);
    if (highest.value < value) highest = {value, cell};
    zero += 0.0f * value;
  };
  // Single cells up to the first whole line of memory, lines, single cells.
  const int offset = static_cast<int>(reinterpret_cast<unsigned long long>(map) % 16 / sizeof(T));
  const int head = offset == 0 ? 0 : (kCells - offset < cells ? kCells - offset : cells);
  const int lines = (cells - head) / kCells;
  if (thread < head) take(map[thread], thread);
  // All of a thread's lines of a usual map (96 x 72) are on their way before the first is looked
  // at.
  constexpr int kLines = 7;
#pragma unroll 1
  for (int first = thread; first < lines; first += kLines * kJointThreads) {
    Line<T> line[kLines];
#pragma unroll
    for (int n = 0; n < kLines; ++n) {
      const int i = first + n * kJointThreads;
      if (i < lines) line[n] = reinterpret_cast<const Line<T>*>(map + head)[i];
    }
#pragma unroll
    for (int n = 0; n < kLines; ++n) {
      const int i = first + n * kJointThreads;
#pragma unroll
      for (int k = 0; i < lines && k < kCells; ++k) take(line[n].value[k], head + i * kCells + k);
    }
  }
  const int rest = head + lines * kCells + thread;
  if (rest < cells) take(map[rest], rest);
  return zero == 0.0f;
}

// The highest of the whole block, in every thread.
__device__ inline Highest block_highest(Highest own) {
  __shared__ Highest of_warp[kJointWarps];
  for (int distance = 16; distance > 0; distance /= 2) {
    own = higher(own, {__shfl_down_sync(0xffffffffu, own.value, distance),
                       __shfl_down_sync(0xffffffffu, own.cell, distance)});
  }
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = own;
  __syncthreads();
  own = of_warp[0];
  for (int w = 1; w < kJointWarps; ++w) own = higher(own, of_warp[w]);
  return own;
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
  Highest highest;
  const bool finite = look(map, cells, highest);
  if (__syncthreads_or(!finite)) {
    if (threadIdx.x == 0) {
      output[index] = {0.5f * layout.stride_x * static_cast<float>(width),
                       0.5f * layout.stride_y * static_cast<float>(height), 0.0f, 0};
    }
    return;
  }
  highest = block_highest(highest);

  const int x = highest.cell % width, y = highest.cell / width;
  const auto at = [&](int column, int row) { return widened(map[row * width + column]); };
  Peak peak{static_cast<float>(x), static_cast<float>(y)};
  if (input.offsets != nullptr) {
    const int person = index / input.joints, joint = index % input.joints;
    const long long first = 2LL * input.joints * cells * person;
    peak = input.offsets_half
               ? refine_by_offsets(static_cast<const unsigned short*>(input.offsets) + first,
                                   layout.offsets, input.joints, joint, cells, highest.cell, width)
               : refine_by_offsets(static_cast<const float*>(input.offsets) + first, layout.offsets,
                                   input.joints, joint, cells, highest.cell, width);
  } else if (layout.refine == Refine::kQuarter) {
    peak = refine_quarter(at, width, height, x, y);
  } else if (layout.refine == Refine::kDark && dark_applies(width, height, x, y)) {
    peak = refine_dark(at, width, height, x, y, blur);
  }
  if (threadIdx.x == 0) {
    output[index] = {cell_to_network(peak.x, layout.stride_x, layout.cells),
                     cell_to_network(peak.y, layout.stride_y, layout.cells), highest.value, 1};
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
