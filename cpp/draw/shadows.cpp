#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "draw/outline.hpp"
#include "draw/solids.hpp"
#include "simd.hpp"

namespace edgert::draw {
namespace {

EDGERT_MULTIVERSION
void deepen(std::uint8_t* plane, const Outline& outline, int width) {
  for (int y = outline.top; y < outline.bottom; ++y) {
    const Span span = span_of(outline, y, width);
    const float dy = static_cast<float>(y) + 0.5f - outline.start_y;
    std::uint8_t* row = plane + static_cast<std::ptrdiff_t>(y) * width;
    for (int x = span.first; x < span.last; ++x) {
      const float dx = static_cast<float>(x) + 0.5f - outline.start_x;
      const int depth = static_cast<int>(place_at(outline, dx, dy).coverage * 255.0f + 0.5f);
      row[x] = static_cast<std::uint8_t>(std::max<int>(row[x], depth));
    }
  }
}

EDGERT_MULTIVERSION
void darken(const Picture& picture, const std::uint8_t* plane, int top, int bottom, int strength) {
  for (int y = top; y < bottom; ++y) {
    std::uint8_t* row = picture.pixels + y * picture.row_stride_bytes;
    const std::uint8_t* depth = plane + static_cast<std::ptrdiff_t>(y) * picture.width;
    for (int x = 0; x < picture.width; ++x) {
      const int weight = 65536 - strength * (depth[x] + (depth[x] >> 7));
      for (int c = 0; c < 3; ++c) {
        row[3 * x + c] = static_cast<std::uint8_t>((row[3 * x + c] * weight + 32768) >> 16);
      }
    }
  }
}

}  // namespace

void cast_shadows(const Picture& picture, std::span<const Shadow> shadows, int strength,
                  std::vector<std::uint8_t>& scratch) {
  int top = picture.height, bottom = 0;
  scratch.assign(static_cast<std::size_t>(picture.width) * picture.height, 0);
  for (const Shadow& s : shadows) {
    if (!is_drawable(s.start, s.end, s.start_radius, s.end_radius) || !(s.softness > 0)) continue;
    const Outline outline = outline_of(s.start, s.end, s.start_radius, s.end_radius, 1, 1, {0, 0},
                                       std::min(s.softness, kFar), picture);
    deepen(scratch.data(), outline, picture.width);
    top = std::min(top, outline.top);
    bottom = std::max(bottom, outline.bottom);
  }
  darken(picture, scratch.data(), top, bottom, std::clamp(strength, 0, 256));
}

}  // namespace edgert::draw
