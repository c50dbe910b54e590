// Letterbox and person crops: each thread samples a few pixels of some rows.
// Grid: x over the columns in steps of kPixels, y over the rows, z over the regions.
#include "crop.h"
#include "frame.h"
#include "half.h"
#include "launch.h"

namespace edgert {

constexpr int kVideoBlocks = kWarpBlocks - 1;  // a multiprocessor: converting takes registers

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

__device__ inline float lerp(unsigned char a, unsigned char b, float weight) {
  return shifted(a) - 8388608.0f + weight * (shifted(b) - shifted(a));
}

// The first blend of a sample, of bytes; its bits are those of the blend of floats.
__device__ inline Color lerp(const Pixel8& a, const Pixel8& b, float weight) {
  return {{lerp(a.channel[0], b.channel[0], weight), lerp(a.channel[1], b.channel[1], weight),
           lerp(a.channel[2], b.channel[2], weight)}};
}

__device__ inline Color normalized(const Color& rgb, const Normalization& n) {
  return {{rgb.channel[0] * n.gain[0] + n.bias[0], rgb.channel[1] * n.gain[1] + n.bias[1],
           rgb.channel[2] * n.gain[2] + n.bias[2]}};
}

// A source gives the pixels of a row, which is found once for all of them: those at x and, `right`
// being 1, the next.

// Packed BGR or RGB, for which addresses are cheapest.
struct PackedSource {
  using Row = const unsigned char*;
  const FrameView& frame;

  __device__ Row row(int y) const { return frame.data + y * frame.row_stride_bytes; }
  __device__ Pixel8 at(Row row, int x, int right) const {
    const unsigned char* pixel = row + 3LL * x + 3 * right;
    return {{load(pixel), load(pixel + 1), load(pixel + 2)}};
  }
  __device__ Color rgb(const Color& color) const {
    if (frame.format == PixelFormat::kRgb8) return color;
    return {{color.channel[2], color.channel[1], color.channel[0]}};
  }
};

// BGR or RGB of any layout.
struct StridedSource {
  using Row = int;
  const FrameView& frame;

  __device__ Row row(int y) const { return y; }
  __device__ Pixel8 at(Row row, int x, int right) const {
    return color_pixel(frame, x + right, row);
  }
  __device__ Color rgb(const Color& color) const { return PackedSource{frame}.rgb(color); }
};

template <Rgb8 (*kPixelAt)(const FrameView&, int, int)>
struct VideoSource {
  using Row = int;
  const FrameView& frame;

  __device__ Row row(int y) const { return y; }
  __device__ Pixel8 at(Row row, int x, int right) const {
    const Rgb8 pixel = kPixelAt(frame, x + right, row);
    return {{pixel.red, pixel.green, pixel.blue}};
  }
  __device__ Color rgb(const Color& color) const { return color; }
};

// Any pixel, one by one: what falls on a border or outside.
template <typename T, typename Source>
__device__ inline void warp_pixel(const Source& source, const Warp& warp, const Normalization& n,
                                  T* output, long long plane, int x, int y) {
  const FrameView& frame = source.frame;
  const auto at = [&](int column, int row) {
    const int inside_x = clamp(column, 0, frame.width - 1);
    const int inside_y = clamp(row, 0, frame.height - 1);
    const bool black = warp.border == Border::kBlack && (column != inside_x || row != inside_y);
    return black ? Pixel8{} : source.at(source.row(inside_y), inside_x, 0);
  };
  const bool shown =
      x >= warp.left && x < warp.left + warp.width && y >= warp.top && y < warp.top + warp.height;
  Color color{{n.fill[0], n.fill[1], n.fill[2]}};
  if (shown) {
    const Tap column = axis_tap(warp.x, x, frame.width, warp.border);
    const Tap row = axis_tap(warp.y, y, frame.height, warp.border);
    color = normalized(source.rgb(warp_sample(column, row, at)), n);
  }
#pragma unroll
  for (int c = 0; c < 3; ++c) output[c * plane] = stored<T>(color.channel[c]);
}

// The part of one region, (3, height, width) at `output`, that falls to this thread: of some rows,
// kPixels pixels a block's width apart. So neighbouring threads look at neighbouring pixels, whose
// bytes lie in the same lines of memory; with neighbours in one thread a load touched three times
// as many.
template <typename T, typename Source>
__device__ inline void warp_region(const Source& source, const Warp& warp, const Normalization& n,
                                   T* output, int width, int height) {
  const FrameView& frame = source.frame;
  const int apart = static_cast<int>(blockDim.x);
  const int x = static_cast<int>(blockIdx.x) * kPixels * apart + static_cast<int>(threadIdx.x);
  if (x >= width) return;
  const long long plane = static_cast<long long>(width) * height;
  bool plain = true;  // all pixels lie inside, and so do their taps
  Tap columns[kPixels];
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const int column = x + i * apart;
    columns[i] = axis_tap(warp.x, column, frame.width, warp.border);
    plain &= column >= warp.left && column < warp.left + warp.width && column < width &&
             columns[i].low >= 0 && columns[i].low + 1 < frame.width;
  }

  const int first = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  for (int y = first; y < height; y += static_cast<int>(gridDim.y * blockDim.y)) {
    T* const line = output + static_cast<long long>(y) * width + x;
    const bool row_shown = y >= warp.top && y < warp.top + warp.height;
    const Tap row = axis_tap(warp.y, y, frame.height, warp.border);
    const bool row_plain = row.low >= 0 && row.low + 1 < frame.height;
    if (plain && row_shown && row_plain) {
      const auto upper = source.row(row.low), lower = source.row(row.low + 1);
      Color colors[kPixels];
#pragma unroll
      for (int i = 0; i < kPixels; ++i) {
        const auto at = [&](int right, int below) {
          return source.at(below != 0 ? lower : upper, columns[i].low, right);
        };
        const Color sample = warp_sample(Tap{0, columns[i].weight}, Tap{0, row.weight}, at);
        colors[i] = normalized(source.rgb(sample), n);
      }
#pragma unroll
      for (int c = 0; c < 3; ++c) {
#pragma unroll
        for (int i = 0; i < kPixels; ++i)
          line[c * plane + i * apart] = stored<T>(colors[i].channel[c]);
      }
    } else if (!row_shown) {
#pragma unroll
      for (int i = 0; i < kPixels; ++i) {
        for (int c = 0; c < 3 && x + i * apart < width; ++c)
          line[c * plane + i * apart] = stored<T>(n.fill[c]);
      }
    } else {
#pragma unroll 1
      for (int i = 0; i < kPixels && x + i * apart < width; ++i)
        warp_pixel(source, warp, n, line + i * apart, plane, x + i * apart, y);
    }
  }
}

template <typename T>
__device__ inline void warp_color(const FrameView& frame, const Warp& warp, const Normalization& n,
                                  T* output, int width, int height) {
  if (frame.packed_pixels()) {
    warp_region(PackedSource{frame}, warp, n, output, width, height);
  } else {
    warp_region(StridedSource{frame}, warp, n, output, width, height);
  }
}

template <typename T>
__device__ inline void warp_nv12(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  warp_region(VideoSource<nv12_pixel>{frame}, warp, n, output, width, height);
}

template <typename T>
__device__ inline void warp_yuyv(const FrameView& frame, const Warp& warp, const Normalization& n,
                                 T* output, int width, int height) {
  warp_region(VideoSource<yuyv_pixel>{frame}, warp, n, output, width, height);
}

// The region of box blockIdx.z, computed once a block: double is slow on small chips.
__device__ inline const Warp& block_warp(const Box* boxes, const CropShape& shape) {
  __shared__ Warp warp;
  if (threadIdx.x == 0 && threadIdx.y == 0)
    warp = crop_warp(crop_map(boxes[blockIdx.z], shape), shape);
  __syncthreads();
  return warp;
}

}  // namespace edgert

// bgr8 takes kRgb8 too: the order of channels is the frame's own.
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
    const edgert::Warp& warp = edgert::block_warp(boxes, shape);                             \
    const long long item = 3LL * shape.width * shape.height * blockIdx.z;                    \
    edgert::read(frame, warp, normalization, static_cast<type*>(output) + item, shape.width, \
                 shape.height);                                                              \
  }

EDGERT_WARP(warp_color, kWarpBlocks, bgr8, float, f32)
EDGERT_WARP(warp_color, kWarpBlocks, bgr8, unsigned short, f16)
EDGERT_WARP(warp_color, kWarpBlocks, bgr8, signed char, s8)
EDGERT_WARP(warp_nv12, kVideoBlocks, nv12, float, f32)
EDGERT_WARP(warp_nv12, kVideoBlocks, nv12, unsigned short, f16)
EDGERT_WARP(warp_nv12, kVideoBlocks, nv12, signed char, s8)
EDGERT_WARP(warp_yuyv, kVideoBlocks, yuyv, float, f32)
EDGERT_WARP(warp_yuyv, kVideoBlocks, yuyv, unsigned short, f16)
EDGERT_WARP(warp_yuyv, kVideoBlocks, yuyv, signed char, s8)
#undef EDGERT_WARP
