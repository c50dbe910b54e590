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

// Intersection over union; 0 where the union is empty.
EDGERT_HD float iou(Box a, float area_a, Box b, float area_b) {
  const float x1 = a.x1 > b.x1 ? a.x1 : b.x1, y1 = a.y1 > b.y1 ? a.y1 : b.y1;
  const float x2 = a.x2 < b.x2 ? a.x2 : b.x2, y2 = a.y2 < b.y2 ? a.y2 : b.y2;
  const float width = x2 - x1 > 0.0f ? x2 - x1 : 0.0f, height = y2 - y1 > 0.0f ? y2 - y1 : 0.0f;
  const float intersection = width * height;
  const float total = area_a + area_b - intersection;
  return total > 0.0f ? intersection / total : 0.0f;
}

}  // namespace edgert
