// A frame as its owner holds it: 8-bit pixels of any layout in memory. Never owns, never copies.
#pragma once

#include "color.h"

namespace edgert {

enum class PixelFormat {
  kBgr8,  // blue, green, red, one byte each
  kRgb8,
  kNv12,  // a plane of luma, then one of half its size with U and V of 2 x 2 pixels in turn
  kYuyv   // Y U Y V: two pixels that share their chroma
};

// Strides are in bytes and may be negative or 0 (a mirrored or a grey image). The strides of pixels
// and channels are those of kBgr8 and kRgb8; the pixels of the other formats are packed.
struct FrameView {
  const unsigned char* data = nullptr;
  int width = 0;
  int height = 0;
  long long row_stride_bytes = 0;
  long long pixel_stride_bytes = 3;
  long long channel_stride_bytes = 1;
  PixelFormat format = PixelFormat::kBgr8;
  const unsigned char* chroma = nullptr;  // of kNv12: the second plane
  long long chroma_row_stride_bytes = 0;
  YuvMatrix matrix{};  // of kNv12 and kYuyv

  EDGERT_HD bool color() const {
    return format == PixelFormat::kBgr8 || format == PixelFormat::kRgb8;
  }
  // Packed, in rows that begin and end where words of 4 bytes do.
  EDGERT_HD bool in_words() const {
    const auto ends = reinterpret_cast<unsigned long long>(data) |
                      static_cast<unsigned long long>(row_stride_bytes) |
                      static_cast<unsigned long long>(3 * width);
    return packed_pixels() && ends % 4 == 0;
  }
  EDGERT_HD bool packed_pixels() const {
    return color() && pixel_stride_bytes == 3 && channel_stride_bytes == 1;
  }
};

// The three bytes of a pixel in the frame's own order.
struct Pixel8 {
  unsigned char channel[3];
};

EDGERT_HD Pixel8 color_pixel(const FrameView& frame, int x, int y) {
  const unsigned char* pixel =
      frame.data + y * frame.row_stride_bytes + x * frame.pixel_stride_bytes;
  return {load(pixel), load(pixel + frame.channel_stride_bytes),
          load(pixel + 2 * frame.channel_stride_bytes)};
}

// Chroma is not interpolated: each pixel takes that of its 2 x 2 or 2 x 1 block.
EDGERT_HD Rgb8 nv12_pixel(const FrameView& frame, int x, int y) {
  const unsigned char* uv = frame.chroma + (y >> 1) * frame.chroma_row_stride_bytes + (x & ~1);
  return yuv_to_rgb(load(frame.data + y * frame.row_stride_bytes + x), load(uv), load(uv + 1),
                    frame.matrix);
}

EDGERT_HD Rgb8 yuyv_pixel(const FrameView& frame, int x, int y) {
  const unsigned char* row = frame.data + y * frame.row_stride_bytes;
  const unsigned char* pair = row + 4 * (x >> 1);
  return yuv_to_rgb(load(row + 2 * x), load(pair + 1), load(pair + 3), frame.matrix);
}

}  // namespace edgert
