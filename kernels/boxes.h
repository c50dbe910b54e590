// One anchor, one box: the arithmetic of detector decoding and of non-maximum suppression.
#pragma once

#include "hd.h"

namespace edgert {

struct Box {
  float x1, y1, x2, y2;
};

// One detection as a GPU leaves it in memory that the host reads. Network pixels.
struct alignas(16) DetectedBox {
  Box box;
  float score;
  int class_id;
  int anchor;
  int unused;
};

// Before DetectedBox[max_detections], which float[max_detections][joints][3] follows: of one-stage
// models, x, y in network pixels and a score.
struct alignas(16) DetectedBoxes {
  int count;
  int dropped_rows;  // anchors with a value that is not finite
  int unused[2];
};

EDGERT_HD Box box_from_center(float cx, float cy, float width, float height) {
  const float half_width = width * 0.5f, half_height = height * 0.5f;
  return {cx - half_width, cy - half_height, cx + half_width, cy + half_height};
}

EDGERT_HD float area(Box box) {
  return (box.x2 - box.x1) * (box.y2 - box.y1);
}

struct Overlap {
  float intersection, total;
};

EDGERT_HD Overlap overlap(Box a, float area_a, Box b, float area_b) {
  const float x1 = larger(a.x1, b.x1), y1 = larger(a.y1, b.y1);
  const float x2 = smaller(a.x2, b.x2), y2 = smaller(a.y2, b.y2);
  const float intersection = larger(x2 - x1, 0.0f) * larger(y2 - y1, 0.0f);
  return {intersection, area_a + area_b - intersection};
}

// Intersection over union; 0 where the union is empty.
EDGERT_HD float iou(Box a, float area_a, Box b, float area_b) {
  const Overlap found = overlap(a, area_a, b, area_b);
  return found.total > 0.0f ? found.intersection / found.total : 0.0f;
}

// Whether intersection / total, rounded, is over a threshold, without a division for all that are
// not within a few roundings of it: products of either side of it are rounded by less than that.
struct IouTest {
  float threshold, below, above;

  EDGERT_HD explicit IouTest(float over)
      : threshold(over), below(over * (1 - 0x1p-21f)), above(over * (1 + 0x1p-21f)) {}

  EDGERT_HD bool clearly_over(Overlap o) const {
    return o.total > 0.0f && o.intersection > above * o.total;
  }
  EDGERT_HD bool clearly_not(Overlap o) const { return o.intersection <= below * o.total; }
  EDGERT_HD bool divided(Overlap o) const {
    return o.total > 0.0f && o.intersection / o.total > threshold;
  }
};

}  // namespace edgert
