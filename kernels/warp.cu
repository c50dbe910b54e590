// Letterbox and person crops: each thread samples kPixels pixels of some rows.
// Grid: x over the columns, y over the rows, z over the regions.
#include "crop.h"
#include "frame.h"
#include "half.h"
#include "launch.h"

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

// 2^23 + value, whose lowest bit counts 1: exact, and on most chips four times as fast as a
// conversion.
__device__ inline float shifted(unsigned char value) {
  return float_of(0x4b000000u | value);
}

// Two neighbouring pixels of a row, as `shifted` gives them: 0 to 2 are the first one's channels, 3
// to 5 the second's.
struct PixelPair {
  Pixel8 left, right;

  __device__ float shifted_byte(int i) const {
    return shifted(i < 3 ? left.channel[i] : right.channel[i - 3]);
  }
};

// The same where they lie packed in memory: six bytes of two words.
struct PackedPair {
  unsigned low, high;

  __device__ float shifted_byte(int i) const {
    // An instruction holds one constant: with that of `shifted` in a register, where a compiler
    // keeps it if it cannot know it (threadIdx.z is 0), the selector need not be moved to one for
    // each byte.
    const unsigned exponent = 0x4b000000u + threadIdx.z;
    // Bytes, the highest first: 0x4b, 0, 0, one of the word.
    return float_of(__byte_perm(i < 4 ? low : high, exponent, 0x7540u | (i & 3)));
  }
};

// The blend of a pixel of two rows' pairs, whose first byte is number `first`. Its bits are those
// of the blend of floats.
template <typename Pair>
__device__ inline Color blended_rows(const Pair& above, const Pair& below, int first,
                                     float weight) {
  const auto channel = [&](int c) {
    const float a = above.shifted_byte(first + c), b = below.shifted_byte(first + c);
    return a - 8388608.0f + weight * (b - a);
  };
  return {{channel(0), channel(1), channel(2)}};
}

// A source gives two neighbouring pixels of a row, x and x + 1. What has to be found out about a
// row or a column is found out once.

// BGR or RGB, packed, in rows that begin and end where words of memory do: six bytes are two or
// three words.
struct WordSource {
  using Pair = PackedPair;
  using Row = const unsigned*;
  struct Column {
    int word;
    unsigned shift;  // bits
  };
  const FrameView& frame;

  __device__ Row row(int y) const {
    return reinterpret_cast<Row>(frame.data + y * frame.row_stride_bytes);
  }
  __device__ Column column(int x) const { return {3 * x / 4, 8u * (3 * x % 4)}; }
  __device__ Pair pair(Row row, Column column) const {
    const unsigned* const words = row + column.word;
    const unsigned a = load(words), b = load(words + 1);
    const unsigned c = column.shift == 24 ? load(words + 2) : 0;
    return {__funnelshift_r(a, b, column.shift), __funnelshift_r(b, c, column.shift)};
  }
};

// Pixels that are found one by one, by kPixelAt(frame, x, y).
template <Pixel8 (*kPixelAt)(const FrameView&, int, int)>
struct PixelSource {
  using Pair = PixelPair;
  using Row = int;
  using Column = int;
  const FrameView& frame;

  __device__ Row row(int y) const { return y; }
  __device__ Column column(int x) const { return x; }
  __device__ Pair pair(Row row, Column x) const {
    const int next = clamp(x + 1, 0, frame.width - 1);  // a frame may be one pixel wide
    return {kPixelAt(frame, x, row), kPixelAt(frame, next, row)};
  }
};

template <Rgb8 (*kPixelAt)(const FrameView&, int, int)>
__device__ inline Pixel8 video_pixel(const FrameView& frame, int x, int y) {
  const Rgb8 pixel = kPixelAt(frame, x, y);
  return {{pixel.red, pixel.green, pixel.blue}};
}

// Whether a column of the input shows the source.
__device__ inline bool shows(const Warp& warp, int column) {
  return column >= warp.left && column < warp.left + warp.width;
}

// Where a pixel of the input lies in the source's rows.
template <typename Source>
struct Column {
  typename Source::Column at;
  float weight;
  int edge;  // -1: `at` is where the second of its pixels is, 1: the first, the other is black
};

template <typename Source>
__device__ inline Column<Source> find_column(const Source& source, const Warp& warp, int x) {
  const Tap tap = axis_tap(warp.x, x, source.frame.width, warp.border);
  const int last = source.frame.width - 1;
  const int inside = clamp(tap.low, 0, last > 0 ? last - 1 : 0);
  return {source.column(inside), tap.weight, tap.low < 0 ? -1 : (tap.low >= last ? 1 : 0)};
}

// What is outside is black; where the border is the last pixel's, that has no weight.
__device__ inline Color blended_columns(const Color& left, const Color& right, int edge,
                                        float weight) {
  Color a = left, b = right;
  if (edge < 0) a = {}, b = left;
  if (edge > 0) a = right, b = {};
  return lerp(a, b, weight);
}

// The pixels of a thread in one row: kPixels, a warp's width apart, so that neighbouring threads
// look at neighbouring pixels, whose bytes lie in the same lines of memory. All that is loaded is
// on its way at once, at the edges too: there a thread that looks at one pixel after the other
// holds up all. kPlain: every pixel shows the source and is blended from nothing else. kReversed:
// the source's channels are in the order opposite to the network's.
template <bool kPlain, bool kReversed, typename T, typename Source>
__device__ inline void warp_row(const Source& source, const Warp& warp,
                                const Column<Source> (&columns)[kPixels], Tap row, bool shown,
                                const Normalization& n, int x, int width, T* line,
                                long long plane) {
  const int last = source.frame.height - 1;
  const auto upper = source.row(kPlain ? row.low : clamp(row.low, 0, last));
  const auto lower = source.row(kPlain ? row.low + 1 : clamp(row.low + 1, 0, last));
  typename Source::Pair above[kPixels], below[kPixels];
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    above[i] = source.pair(upper, columns[i].at);
    below[i] = source.pair(lower, columns[i].at);
  }
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    if (!kPlain && row.low < 0) above[i] = {};
    if (!kPlain && row.low >= last) below[i] = {};
    const Color sample = blended_columns(blended_rows(above[i], below[i], 0, row.weight),
                                         blended_rows(above[i], below[i], 3, row.weight),
                                         kPlain ? 0 : columns[i].edge, columns[i].weight);
    const int column = x + i * kWarpSize;
    const bool filled = !kPlain && !(shown && shows(warp, column));
#pragma unroll
    for (int c = 0; c < 3; ++c) {
      const int to = kReversed ? 2 - c : c;
      const float value = sample.channel[c] * n.gain[to] + n.bias[to];
      if (kPlain || column < width)
        line[to * plane + i * kWarpSize] = stored<T>(filled ? n.fill[to] : value);
    }
  }
}

// The part of one region, (3, height, width) at `output`, that falls to this thread.
template <bool kReversed, typename T, typename Source>
__device__ inline void warp_region(const Source& source, const Warp& warp, const Normalization& n,
                                   T* output, int width, int height) {
  const int x = static_cast<int>(blockIdx.x) * kWarpPixels + static_cast<int>(threadIdx.x);
  Column<Source> columns[kPixels];
  bool plain = true;
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const int column = x + i * kWarpSize;
    columns[i] = find_column(source, warp, column);
    plain &= columns[i].edge == 0 && column < width && shows(warp, column);
  }
  const int first = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int step = static_cast<int>(gridDim.y * blockDim.y);
  const long long plane = static_cast<long long>(width) * height;
  T* line = output + static_cast<long long>(first) * width + x;
#pragma unroll 1
  for (int y = first; y < height; y += step, line += static_cast<long long>(step) * width) {
    const Tap row = axis_tap(warp.y, y, source.frame.height, warp.border);
    const bool shown = y >= warp.top && y < warp.top + warp.height;
    if (plain && shown && row.low >= 0 && row.low + 1 < source.frame.height) {
      warp_row<true, kReversed>(source, warp, columns, row, shown, n, x, width, line, plane);
    } else {
      warp_row<false, kReversed>(source, warp, columns, row, shown, n, x, width, line, plane);
    }
  }
}

template <typename T, typename Source>
__device__ inline void warp_color(const Source& source, const Warp& warp, const Normalization& n,
                                  T* output, int width, int height) {
  if (source.frame.format == PixelFormat::kBgr8) {
    warp_region<true>(source, warp, n, output, width, height);
  } else {
    warp_region<false>(source, warp, n, output, width, height);
  }
}

// kRgb8 too: the order of channels is the frame's own.
template <typename T>
__device__ inline void warp_bgr24(const FrameView& frame, const Warp& warp, const Normalization& n,
                                  T* output, int width, int height) {
  warp_color(WordSource{frame}, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_bgr8(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  warp_color(PixelSource<color_pixel>{frame}, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_nv12(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  const PixelSource<video_pixel<nv12_pixel>> source{frame};
  warp_region<false>(source, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_yuyv(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  const PixelSource<video_pixel<yuyv_pixel>> source{frame};
  warp_region<false>(source, warp, n, output, width, height);
}

// The region of box blockIdx.z, computed once a block: double is slow on small chips. All else of
// it is known without the box.
__device__ inline Warp block_warp(const Box* boxes, const CropShape& shape) {
  __shared__ AxisMap maps[2];
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    const Warp warp = crop_warp(crop_map(boxes[blockIdx.z], shape), shape);
    maps[0] = warp.x, maps[1] = warp.y;
  }
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
