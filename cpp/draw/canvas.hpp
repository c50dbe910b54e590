// Opaque rectangles, anti-aliased strokes and masks, drawn into 8-bit BGR pixels. Everything is cut
// to the image; what is not finite is not drawn.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgert::draw {

struct Colour {
  std::uint8_t blue, green, red;
};

struct Point {
  float x, y;
};

// Whole pixels, from (left, top) to before (right, bottom). 64 bits: no sum of two ints overflows.
struct Rect {
  std::int64_t left, top, right, bottom;
};

// How much of each pixel is covered, from 0 to 255. Never owns.
struct MaskView {
  const std::uint8_t* data;
  int width;
  int height;
  std::ptrdiff_t row_stride_bytes;
};

// Draws into pixels that somebody else owns. Holds no memory of its own.
class Canvas {
 public:
  // Pixels are packed, 3 bytes each; the stride of the rows may be negative.
  Canvas(std::uint8_t* pixels, int width, int height, std::ptrdiff_t row_stride_bytes)
      : pixels_(pixels), width_(width), height_(height), row_stride_bytes_(row_stride_bytes) {}

  void fill(const Rect& rect, Colour colour);

  // The edges of a box, rounded to whole pixels, as bars of `width` pixels inside of it.
  void outline(Point top_left, Point bottom_right, float width, Colour colour);

  // A line with round ends; of no length it is a disc. A pixel's coverage is its centre's distance
  // from the rim, cut to [0, 1] and to the stroke's width: what a box filter gives for an upright
  // edge.
  void stroke(Point start, Point end, float radius, Colour colour);

  // Mixes the colour in as the mask covers, the mask's corner at (left, top).
  void blit(const MaskView& mask, std::int64_t left, std::int64_t top, Colour colour);

 private:
  std::uint8_t* pixel(std::int64_t x, std::int64_t y) const {
    return pixels_ + y * row_stride_bytes_ + 3 * x;
  }
  Rect clipped(const Rect& rect) const;

  std::uint8_t* pixels_;
  int width_;
  int height_;
  std::ptrdiff_t row_stride_bytes_;
};

}  // namespace edgert::draw
