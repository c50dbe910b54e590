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

// Bytes and what rows are blended to are taken for small floats, which no conversion and no
// subtraction makes of them: a byte in these bits is 2^-133 of it, since denormal numbers and the
// first normal ones count alike. kGrow is as far as one multiplication leads; kShrunk is left.
constexpr int kByteBits = 16;
constexpr float kGrow = 0x1p127f;
constexpr float kShrunk = 0x1p-6f;

// Two neighbouring pixels of a row: 0 to 2 are the first one's channels, 3 to 5 the second's.
struct PixelPair {
  Pixel8 left, right;

  __device__ float small_byte(int i) const {
    const unsigned value = i < 3 ? left.channel[i] : right.channel[i - 3];
    return float_of(value << kByteBits);
  }
};

// The same where they lie packed in memory: six bytes of two words.
struct PackedPair {
  unsigned low, high;

  __device__ float small_byte(int i) const {
    // Bytes, the highest first: 0, one of the word, 0, 0.
    return float_of(__byte_perm(i < 4 ? low : high, 0, 0x4044u | (i & 3) << 8));
  }
};

// The blend of a pixel of two rows' pairs, whose first byte is number `first`, times kShrunk;
// `weight` is times kGrow. Its bits are those of lerp: the difference of bytes is exact, and so is
// the product that is added to.
template <typename Pair>
__device__ inline Color blended_rows(const Pair& above, const Pair& below, int first,
                                     float weight) {
  const auto channel = [&](int c) {
    const float a = above.small_byte(first + c), b = below.small_byte(first + c);
    return __fmaf_rn(a, kGrow, weight * (b - a));
  };
  return {{channel(0), channel(1), channel(2)}};
}

// A source gives two neighbouring pixels of a row, x and x + 1. What has to be found out about a
// row or a column is found out once.

// BGR or RGB, packed, in rows that begin and end where words of memory do: six bytes are two or
// three words.
struct WordSource {
  using Pair = PackedPair;
  using Row = const unsigned char*;
  struct Column {
    unsigned byte;   // of the first word
    unsigned shift;  // bits
  };
  const FrameView& frame;

  __device__ Row row(int y) const { return frame.data + y * frame.row_stride_bytes; }
  __device__ Column column(int x) const {
    const unsigned byte = 3 * static_cast<unsigned>(x);
    return {byte & ~3u, byte % 4 * 8};
  }
  __device__ Pair pair(Row row, Column column) const {
    const auto* const words = reinterpret_cast<const unsigned*>(row + column.byte);
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
