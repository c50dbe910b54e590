// A box as the tracker sees it, and the overlap measure of the reference implementation.
#pragma once

#include <algorithm>

namespace edgert::track {

// Corners in pixels, both inclusive: the reference measures overlap with cython_bbox, whose widths
// and heights are one pixel larger than x2 - x1 and y2 - y1.
struct Box {
  double x1, y1, x2, y2;

  double area() const { return (x2 - x1 + 1) * (y2 - y1 + 1); }
};

// Intersection over union; 0 for boxes that do not overlap. `area_a` and `area_b` are area() of
// each.
inline double iou(const Box& a, double area_a, const Box& b, double area_b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1;
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1;
  if (!(width > 0 && height > 0)) return 0;
  const double shared = width * height;
  const double joined = area_a + area_b - shared;
  return joined > 0 ? shared / joined : 0;
}

}  // namespace edgert::track
