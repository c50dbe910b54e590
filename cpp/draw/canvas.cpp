#include "draw/canvas.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd.hpp"

namespace edgert::draw {
namespace {

// Pixels are worked on in runs of this many, a whole number of vectors on every machine. Pixels of
// a run that nothing covers are written back as they are.
constexpr int kRun = 16;

// A weight of 256 covers all of a pixel, so that the division is a shift and all fits 16 bits.
inline std::uint8_t mixed(std::uint8_t ground, int colour, int weight) {
  return static_cast<std::uint8_t>((ground * (256 - weight) + colour * weight + 128) >> 8);
}

inline void blend(std::uint8_t* __restrict pixels, const std::uint16_t* __restrict weights,
                  Colour colour, int count) {
  for (int i = 0; i < count; ++i) {
    pixels[3 * i] = mixed(pixels[3 * i], colour.blue, weights[i]);
    pixels[3 * i + 1] = mixed(pixels[3 * i + 1], colour.green, weights[i]);
    pixels[3 * i + 2] = mixed(pixels[3 * i + 2], colour.red, weights[i]);
  }
}

// Runs at the right edge of the image are shorter; all others have a length the compiler knows.
inline void blend_run(std::uint8_t* pixels, const std::uint16_t* weights, Colour colour, int room) {
  if (room >= kRun) {
    blend(pixels, weights, colour, kRun);
  } else {
    blend(pixels, weights, colour, room);
  }
}

// All points within `rim` of a segment, cut to an image.
struct Capsule {
  double start_x, start_y;
  double unit_x, unit_y;
  double length;
  double rim;  // half a pixel over the radius: where coverage ends
  float full;  // the largest coverage
  double left, right;
  int top, bottom;
};

struct Pixels {
  std::uint8_t* data;
  std::ptrdiff_t row_stride_bytes;
  int width;
};

EDGERT_MULTIVERSION
void draw_capsule(const Pixels& image, const Capsule& capsule, Colour colour) {
  const auto unit_x = static_cast<float>(capsule.unit_x);
  const auto unit_y = static_cast<float>(capsule.unit_y);
  const auto half_length = static_cast<float>(capsule.length / 2);
  const auto rim = static_cast<float>(capsule.rim);
  const float full = capsule.full;
  // A row crosses the strip around the line here; a line that is nearly a row has no such place.
  const bool flat = std::abs(capsule.unit_y) < 1e-6;
  const double slope = flat ? 0.0 : capsule.unit_x / capsule.unit_y;
  const double half_width =
      flat ? std::numeric_limits<double>::infinity() : capsule.rim / std::abs(capsule.unit_y);
  for (int y = capsule.top; y < capsule.bottom; ++y) {
    const double offset_y = y + 0.5 - capsule.start_y;
    const double middle = capsule.start_x + offset_y * slope;
    const double left = std::max(capsule.left, middle - half_width);
    const double right = std::min(capsule.right, middle + half_width);
    if (!(left < right)) continue;
    const auto v = static_cast<float>(offset_y);
    const float along_row = v * unit_y - half_length, across_row = v * unit_x;
    const int end = std::min(static_cast<int>(right) + 1, image.width);
    std::uint8_t* row = image.data + y * image.row_stride_bytes;
    for (int x = static_cast<int>(left); x < end; x += kRun) {
      const auto first = static_cast<float>(x + 0.5 - capsule.start_x);
      std::uint16_t weights[kRun];
      for (int i = 0; i < kRun; ++i) {
        const float u = first + static_cast<float>(i);
        const float past_end = std::abs(u * unit_x + along_row) - half_length;
        const float beyond = past_end > 0.0f ? past_end : 0.0f;
        const float across = u * unit_y - across_row;
        const float inside = rim - std::sqrt(beyond * beyond + across * across);
        const float positive = inside > 0.0f ? inside : 0.0f;
        const float coverage = positive < full ? positive : full;
        weights[i] = static_cast<std::uint16_t>(static_cast<int>(coverage * 256.0f + 0.5f));
      }
      blend_run(row + 3 * static_cast<std::ptrdiff_t>(x), weights, colour, image.width - x);
    }
  }
}

EDGERT_MULTIVERSION
void blend_mask(const Pixels& image, const MaskView& mask, Colour colour) {
  for (int y = 0; y < mask.height; ++y) {
    const std::uint8_t* coverage = mask.data + y * mask.row_stride_bytes;
    std::uint8_t* row = image.data + y * image.row_stride_bytes;
    for (int x = 0; x < mask.width; x += kRun) {
      const int count = std::min(kRun, mask.width - x);
      std::uint16_t weights[kRun] = {};
      for (int i = 0; i < count; ++i) {
        const int value = coverage[x + i];
        weights[i] = static_cast<std::uint16_t>(value + (value >> 7));  // 255 -> 256
      }
      blend_run(row + 3 * static_cast<std::ptrdiff_t>(x), weights, colour, image.width - x);
    }
  }
}

// The part of start..end that lies within [low, high] on one axis, as a range of [0, 1].
void clip_axis(double start, double delta, double low, double high, double& from, double& to) {
  if (delta == 0) {
    if (start < low || start > high) to = -1;
    return;
  }
  const double a = (low - start) / delta, b = (high - start) / delta;
  from = std::max(from, std::min(a, b));
  to = std::min(to, std::max(a, b));
}

bool is_finite(Point point) {
  return std::isfinite(point.x) && std::isfinite(point.y);
}

int cut(double value, int limit) {
  return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(limit)));
}

std::int64_t rounded(float value) {
  constexpr float kFar = 1 << 30;  // beyond any image, and sums stay far from overflow
  return std::llrint(std::clamp(value, -kFar, kFar));
}

}  // namespace

Rect Canvas::clipped(const Rect& rect) const {
  return {std::max<std::int64_t>(rect.left, 0), std::max<std::int64_t>(rect.top, 0),
          std::min<std::int64_t>(rect.right, width_), std::min<std::int64_t>(rect.bottom, height_)};
}

void Canvas::fill(const Rect& rect, Colour colour) {
  const Rect part = clipped(rect);
  if (part.left >= part.right) return;
  for (std::int64_t y = part.top; y < part.bottom; ++y) {
    std::uint8_t* pixels = pixel(part.left, y);
    for (std::int64_t i = 0; i < part.right - part.left; ++i) {
      pixels[3 * i] = colour.blue;
      pixels[3 * i + 1] = colour.green;
      pixels[3 * i + 2] = colour.red;
    }
  }
}

void Canvas::outline(Point top_left, Point bottom_right, float width, Colour colour) {
  if (!is_finite(top_left) || !is_finite(bottom_right) || !std::isfinite(width)) return;
  const Rect box = {rounded(top_left.x), rounded(top_left.y), rounded(bottom_right.x),
                    rounded(bottom_right.y)};
  const std::int64_t bar = std::max<std::int64_t>(rounded(width), 1);
  const std::int64_t inner_left = std::min(box.left + bar, box.right);
  const std::int64_t inner_top = std::min(box.top + bar, box.bottom);
  fill({box.left, box.top, box.right, inner_top}, colour);
  fill({box.left, std::max(box.bottom - bar, box.top), box.right, box.bottom}, colour);
  fill({box.left, box.top, inner_left, box.bottom}, colour);
  fill({std::max(box.right - bar, box.left), box.top, box.right, box.bottom}, colour);
}

void Canvas::stroke(Point start, Point end, float radius, Colour colour) {
  if (!is_finite(start) || !is_finite(end) || !std::isfinite(radius) || radius <= 0) return;
  const double rim = double{radius} + 0.5;
  // Only the part of the segment that comes near the image: single precision then suffices for a
  // pixel's place on it, however far away the ends are.
  const double delta_x = double{end.x} - double{start.x};
  const double delta_y = double{end.y} - double{start.y};
  double from = 0, to = 1;
  clip_axis(start.x, delta_x, -rim, width_ + rim, from, to);
  clip_axis(start.y, delta_y, -rim, height_ + rim, from, to);
  if (from > to) return;
  const double length = std::hypot(delta_x, delta_y);
  const bool is_dot = length == 0;
  Capsule capsule;
  capsule.start_x = start.x + from * delta_x;
  capsule.start_y = start.y + from * delta_y;
  capsule.unit_x = is_dot ? 1.0 : delta_x / length;
  capsule.unit_y = is_dot ? 0.0 : delta_y / length;
  capsule.length = (to - from) * length;
  capsule.rim = rim;
  capsule.full = std::min(1.0f, 2 * radius);
  const double end_x = start.x + to * delta_x, end_y = start.y + to * delta_y;
  capsule.left = std::max(0.0, std::min(capsule.start_x, end_x) - rim);
  capsule.right = std::min<double>(width_, std::max(capsule.start_x, end_x) + rim);
  capsule.top = cut(std::floor(std::min(capsule.start_y, end_y) - rim), height_);
  capsule.bottom = cut(std::ceil(std::max(capsule.start_y, end_y) + rim), height_);
  draw_capsule({pixels_, row_stride_bytes_, width_}, capsule, colour);
}

void Canvas::blit(const MaskView& mask, std::int64_t left, std::int64_t top, Colour colour) {
  const Rect part = clipped({left, top, left + mask.width, top + mask.height});
  if (part.left >= part.right || part.top >= part.bottom) return;
  const MaskView seen = {mask.data + (part.top - top) * mask.row_stride_bytes + (part.left - left),
                         static_cast<int>(part.right - part.left),
                         static_cast<int>(part.bottom - part.top), mask.row_stride_bytes};
  const Pixels image = {pixel(part.left, part.top), row_stride_bytes_,
                        width_ - static_cast<int>(part.left)};
  blend_mask(image, seen, colour);
}

}  // namespace edgert::draw
