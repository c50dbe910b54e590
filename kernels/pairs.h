// What a warp reads and blends: two neighbouring pixels of a row of the source, x and x + 1, from
// frames of every layout. Of the device alone.
#pragma once

#include "frame.h"
#include "warp.h"

namespace edgert {

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

// A source gives such pairs. What has to be found out about a row or a column is found out once.

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

}  // namespace edgert
