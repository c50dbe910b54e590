// A tapered capsule in a picture: which pixels it touches and how much of each it covers. For
// solids and shadows alone.
#pragma once

#include <algorithm>
#include <cmath>

#include "draw/solids.hpp"

namespace edgert::draw {

constexpr float kFlat = 1e-3f;  // the cap of a flat end: no division by nothing
constexpr float kFar = 1e5f;    // beyond any picture; single precision still tells pixels apart

// A tapered capsule's outline and where it may be seen.
struct Outline {
  float start_x, start_y;
  float unit_x, unit_y;
  float length, inverse_length;
  float start_radius, taper;
  float start_sharpness, end_sharpness;  // 1 / cap
  float side_softness, cap_softness;     // width of the edges
  double rim;                            // no pixel is farther from the axis
  double left, right;
  int top, bottom;
};

inline bool is_drawable(Point a, Point b, float start_radius, float end_radius) {
  // Also false for what is not a number.
  const auto near = [](float v) { return std::abs(v) <= kFar; };
  return near(a.x) && near(a.y) && near(b.x) && near(b.y) && start_radius >= 0 && end_radius >= 0 &&
         start_radius <= kFar && end_radius <= kFar && std::max(start_radius, end_radius) > 0;
}

// By double arithmetic of square roots alone: std::hypot may differ between C libraries.
inline Outline outline_of(Point start, Point end, float start_radius, float end_radius,
                          float start_cap, float end_cap, Point blur, float softness,
                          const Picture& picture) {
  Outline o;
  const double dx = double{end.x} - double{start.x}, dy = double{end.y} - double{start.y};
  const double length = std::sqrt(dx * dx + dy * dy);
  const bool is_dot = length < 1e-6;
  o.start_x = start.x;
  o.start_y = start.y;
  o.unit_x = is_dot ? 0.0f : static_cast<float>(dx / length);
  o.unit_y = is_dot ? 1.0f : static_cast<float>(dy / length);
  o.length = is_dot ? 0.0f : static_cast<float>(length);
  o.inverse_length = is_dot ? 0.0f : static_cast<float>(1 / length);
  o.start_radius = start_radius;
  o.taper = end_radius - start_radius;
  o.start_sharpness = 1 / std::max(start_cap, kFlat);
  o.end_sharpness = 1 / std::max(end_cap, kFlat);
  o.side_softness = softness + std::abs(blur.y * o.unit_x - blur.x * o.unit_y);
  o.cap_softness = softness + std::abs(blur.x * o.unit_x + blur.y * o.unit_y);
  const double edge = std::max(o.side_softness, o.cap_softness) / 2 + 1;
  const double widest = std::max(start_radius, end_radius);
  o.rim = widest * std::max({1.0f, start_cap, end_cap}) + edge;
  o.left = std::max(0.0, std::min(start.x, end.x) - o.rim);
  o.right = std::min<double>(picture.width, std::max(start.x, end.x) + o.rim);
  const auto row = [&](double y) {
    return static_cast<int>(std::clamp(y, 0.0, static_cast<double>(picture.height)));
  };
  o.top = row(std::floor(std::min(start.y, end.y) - o.rim));
  o.bottom = row(std::ceil(std::max(start.y, end.y) + o.rim));
  return o;
}

// The pixels of a row that the outline may touch: [first, last).
struct Span {
  int first, last;
};

inline Span span_of(const Outline& o, int y, int width) {
  double left = o.left, right = o.right;
  if (std::abs(o.unit_y) > 0.05f) {  // else the strip crosses the row nearly everywhere
    const double slope = double{o.unit_x} / double{o.unit_y};
    const double middle = o.start_x + (y + 0.5 - o.start_y) * slope;
    const double half = o.rim / std::abs(double{o.unit_y});
    left = std::max(left, middle - half);
    right = std::min(right, middle + half);
  }
  if (!(left < right)) return {0, 0};
  return {static_cast<int>(left), std::min(static_cast<int>(right) + 1, width)};
}

// Where a pixel lies on a capsule.
struct Place {
  float lengthwise;  // pixels from the start
  float along;       // from 0 at the start to 1 at the end
  float across;      // in radii, from -1 to 1 within
  float beyond;      // an end, in radii, signed as the axis
  float radius;      // here
  float coverage;
};

// Choices between values that are there already: a choice between computations would be a branch,
// and a loop with a branch no vector.
inline float lower(float a, float b) {
  return a < b ? a : b;
}
inline float positive(float v) {
  return v > 0.0f ? v : 0.0f;
}
inline float is_positive(float v) {
  return v > 0.0f ? 1.0f : 0.0f;
}

inline Place place_at(const Outline& o, float dx, float dy) {
  const float u = dx * o.unit_x + dy * o.unit_y;
  const float v = dy * o.unit_x - dx * o.unit_y;
  const float scaled = u * o.inverse_length;
  const float along = lower(positive(scaled), 1.0f);
  const float radius = o.start_radius + o.taper * along;
  const float before = positive(-u), after = positive(u - o.length);
  const float sharpness =
      is_positive(before) * (o.start_sharpness - o.end_sharpness) + o.end_sharpness;
  const float past = before + after;  // one of them is 0
  const float is_past = is_positive(past);
  const float b = past * sharpness;
  const float rho = std::sqrt(b * b + v * v);
  const float steep = b * sharpness;
  // An implicit function over the length of its gradient: the distance to first order.
  const float gradient = std::sqrt(steep * steep + v * v) + 1e-9f;
  const float side = radius - std::abs(v);
  const float capped = (radius - rho) * rho / gradient;
  // Beside a flat end the gradient is too steep; no cap is wider than what it closes.
  const float depth = side + is_past * (lower(capped, side) - side);
  const float softness = o.side_softness + is_past * (o.cap_softness - o.side_softness);
  const float full = lower(2.0f * radius / softness, 1.0f);  // of what is thinner than its edges
  const float raw = positive(0.5f + depth / softness);
  const float inverse_radius = 1.0f / (radius + 1e-6f);
  return {
      u,      along,           v * inverse_radius, (after - before) * sharpness * inverse_radius,
      radius, lower(raw, full)};
}

}  // namespace edgert::draw
