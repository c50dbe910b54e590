// Letterbox and person crops: each thread samples kPixels pixels of some rows.
// Grid: x over the columns, y over the rows, z over the regions.
#include "crop.h"
#include "half.h"
#include "launch.h"
#include "pairs.h"

namespace edgert {

constexpr int kPixelBlocks = 4;  // a multiprocessor: pixels found one by one take registers

template <typename T>
__device__ inline T stored(float value);
template <>
__device__ inline float stored(float value) {
  return value;
}
template <>
__device__ inline unsigned short stored(float value) {
  return to_half(value);
}
template <>
__device__ inline signed char stored(float value) {
  return to_int8(value);
}

// What a row or a column of the input shows of the source.
enum class Shown : int {
  kInside,  // both of its two source pixels
  kFirst,   // the second of them, the other is before the source and black
  kLast,    // the first of them, the other is behind it and black
  kNothing  // the fill value
};

__device__ inline Shown shown_at(Tap tap, int last, int place, int begin, int size) {
  if (place < begin || place >= begin + size) return Shown::kNothing;
  return tap.low < 0 ? Shown::kFirst : (tap.low >= last ? Shown::kLast : Shown::kInside);
}

// Where a column of the input lies in the source's rows, and a row of it in the source.
template <typename Source>
struct alignas(16) Column {
  typename Source::Column at;  // of the two pixels, or of the two at the edge
  float weight;
  Shown shown;
};

template <typename Source>
struct alignas(16) Row {
  typename Source::Row upper, lower;
  float weight;  // times kGrow
  Shown shown;
};

template <typename Source>
__device__ inline Column<Source> find_column(const Source& source, const Warp& warp, int x) {
  const Tap tap = axis_tap(warp.x, x, source.frame.width, warp.border);
  const int last = source.frame.width - 1;
  const int inside = clamp(tap.low, 0, last > 0 ? last - 1 : 0);
  return {source.column(inside), tap.weight, shown_at(tap, last, x, warp.left, warp.width)};
}

template <typename Source>
__device__ inline Row<Source> find_row(const Source& source, const Warp& warp, int y) {
  const Tap tap = axis_tap(warp.y, y, source.frame.height, warp.border);
  const int last = source.frame.height - 1;
  return {source.row(clamp(tap.low, 0, last)), source.row(clamp(tap.low + 1, 0, last)),
          tap.weight * kGrow, shown_at(tap, last, y, warp.top, warp.height)};
}

// What is outside is black; where the border is the last pixel's, that has no weight.
__device__ inline Color blended_columns(const Color& left, const Color& right, Shown shown,
                                        float weight) {
  Color a = left, b = right;
  if (shown == Shown::kFirst) a = {}, b = left;
  if (shown == Shown::kLast) a = right, b = {};
  return lerp(a, b, weight);
}

// The pixels of a thread in one row: kPixels, a warp's width apart, so that neighbouring threads
// look at neighbouring pixels, whose bytes lie in the same lines of memory. All that is loaded is
// on its way at once, at the edges too: there a thread that looks at one pixel after the other
// holds up all. kPlain: every pixel is blended from pixels of the source alone.
template <bool kPlain, typename T, typename Source>
__device__ inline void warp_row(const Source& source, const Column<Source> (&columns)[kPixels],
                                const Row<Source>& row, const Normalization& n, int room, T* line,
                                long long plane) {
  typename Source::Pair above[kPixels], below[kPixels];
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    above[i] = source.pair(row.upper, columns[i].at);
    below[i] = source.pair(row.lower, columns[i].at);
  }
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const Shown shown = kPlain ? Shown::kInside : columns[i].shown;
    if (!kPlain && row.shown == Shown::kFirst) above[i] = {};
    if (!kPlain && row.shown == Shown::kLast) below[i] = {};
    const Color sample =
        blended_columns(blended_rows(above[i], below[i], 0, row.weight),
                        blended_rows(above[i], below[i], 3, row.weight), shown, columns[i].weight);
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const float value = sample.channel[c] * (n.gain[c] / kShrunk) + n.bias[c];
      if (kPlain || i * kWarpSize < room)
        line[c * plane + i * kWarpSize] = stored<T>(shown == Shown::kNothing ? n.fill[c] : value);
    }
  }
}

template <typename T>
__device__ inline void fill_row(const Normalization& n, int room, T* line, long long plane) {
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      if (i * kWarpSize < room) line[c * plane + i * kWarpSize] = stored<T>(n.fill[c]);
    }
  }
}

__device__ inline void swap(float& a, float& b) {
  const float first = a;
  a = b, b = first;
}

// The part of one region, (3, height, width) at `output`, that falls to this thread. Each column
// and each row of the block's is looked at by one of its threads.
template <typename T, typename Source>
__device__ inline void warp_region(const Source& source, const Warp& warp, Normalization n,
                                   T* output, int width, int height) {
  __shared__ Column<Source> block_columns[kWarpPixels];
  __shared__ Row<Source> block_rows[kWarpRows * kWarpMaxRows];
  static_assert(kWarpPixels + kWarpRows * kWarpMaxRows <= kWarpThreads);
  const int lane = static_cast<int>(threadIdx.x), own = static_cast<int>(threadIdx.y);
  const int left = static_cast<int>(blockIdx.x) * kWarpPixels;
  const int top = static_cast<int>(blockIdx.y) * kWarpRows;
  const int step = static_cast<int>(gridDim.y) * kWarpRows;
  const int thread = own * kWarpSize + lane, item = thread - kWarpPixels;
  if (item < 0) {
    block_columns[thread] = find_column(source, warp, left + thread);
  } else {
    const int y = top + item % kWarpRows + item / kWarpRows * step;
    block_rows[item] = find_row(source, warp, y);
  }
  __syncthreads();
  Column<Source> columns[kPixels];
  bool edge = left + kWarpPixels > width;
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    columns[i] = block_columns[lane + i * kWarpSize];
    edge |= columns[i].shown != Shown::kInside;
  }
  edge = __any_sync(0xffffffffu, edge);  // a warp goes one way
  const int room = width - left - lane;
  long long plane = static_cast<long long>(width) * height;
  if (source.frame.format == PixelFormat::kBgr8) {
    swap(n.gain[0], n.gain[2]), swap(n.bias[0], n.bias[2]), swap(n.fill[0], n.fill[2]);
    output += 2 * plane, plane = -plane;
  }
  T* line = output + static_cast<long long>(top + own) * width + left + lane;
  const Row<Source>* row = block_rows + own;
#pragma unroll 1
  for (int y = top + own; y < height; y += step) {
    if (row->shown == Shown::kNothing) {
      fill_row(n, room, line, plane);
    } else if (!edge && row->shown == Shown::kInside) {
      warp_row<true>(source, columns, *row, n, room, line, plane);
    } else {
      warp_row<false>(source, columns, *row, n, room, line, plane);
    }
    row += kWarpRows, line += static_cast<long long>(step) * width;
  }
}

// kRgb8 too: the order of channels is the frame's own.
template <typename T>
__device__ inline void warp_bgr24(const FrameView& frame, const Warp& warp, const Normalization& n,
                                  T* output, int width, int height) {
  warp_region(WordSource{frame}, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_bgr8(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  warp_region(PixelSource<color_pixel>{frame}, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_nv12(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  const PixelSource<video_pixel<nv12_pixel>> source{frame};
  warp_region(source, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_yuyv(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  const PixelSource<video_pixel<yuyv_pixel>> source{frame};
  warp_region(source, warp, n, output, width, height);
}

// The region of box blockIdx.z, computed once a block, each axis by a warp: double is slow on
// small chips, divisions everywhere. All else of it is known without the box.
__device__ inline Warp block_warp(const Box* boxes, const CropShape& shape) {
  __shared__ AxisMap maps[2];
  if (threadIdx.x == 0 && threadIdx.y == 0)
    maps[0] = crop_warp(crop_map(boxes[blockIdx.z], shape), shape).x;
  if (threadIdx.x == 0 && threadIdx.y == 1)
    maps[1] = crop_warp(crop_map(boxes[blockIdx.z], shape), shape).y;
  __syncthreads();
  Warp warp = crop_warp({}, shape);
  warp.x = maps[0], warp.y = maps[1];
  return warp;
}

}  // namespace edgert

#define EDGERT_WARP(read, blocks, in, type, out)                                             \
  extern "C" __global__ void __launch_bounds__(edgert::kWarpThreads, edgert::blocks)         \
      letterbox_##in##_##out(edgert::FrameView frame, edgert::Warp warp,                     \
                             edgert::Normalization normalization, void* output, int width,   \
                             int height) {                                                   \
    edgert::read(frame, warp, normalization, static_cast<type*>(output), width, height);     \
  }                                                                                          \
  extern "C" __global__ void __launch_bounds__(edgert::kWarpThreads, edgert::blocks)         \
      crops_##in##_##out(edgert::FrameView frame, const edgert::Box* boxes,                  \
                         edgert::CropShape shape, edgert::Normalization normalization,       \
                         void* output) {                                                     \
    const edgert::Warp warp = edgert::block_warp(boxes, shape);                              \
    const long long item = 3LL * shape.width * shape.height * blockIdx.z;                    \
    edgert::read(frame, warp, normalization, static_cast<type*>(output) + item, shape.width, \
                 shape.height);                                                              \
  }

EDGERT_WARP(warp_bgr24, kWarpBlocks, bgr24, float, f32)
EDGERT_WARP(warp_bgr24, kWarpBlocks, bgr24, unsigned short, f16)
EDGERT_WARP(warp_bgr24, kWarpBlocks, bgr24, signed char, s8)
EDGERT_WARP(warp_bgr8, kPixelBlocks, bgr8, float, f32)
EDGERT_WARP(warp_bgr8, kPixelBlocks, bgr8, unsigned short, f16)
EDGERT_WARP(warp_bgr8, kPixelBlocks, bgr8, signed char, s8)
EDGERT_WARP(warp_nv12, kPixelBlocks, nv12, float, f32)
EDGERT_WARP(warp_nv12, kPixelBlocks, nv12, unsigned short, f16)
EDGERT_WARP(warp_nv12, kPixelBlocks, nv12, signed char, s8)
EDGERT_WARP(warp_yuyv, kPixelBlocks, yuyv, float, f32)
EDGERT_WARP(warp_yuyv, kPixelBlocks, yuyv, unsigned short, f16)
EDGERT_WARP(warp_yuyv, kPixelBlocks, yuyv, signed char, s8)
#undef EDGERT_WARP
