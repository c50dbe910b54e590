// One person's box: the region of the frame that fills a network's input. In double, since it
// places results, not samples.
#pragma once

#include "boxes.h"
#include "warp.h"

namespace edgert {

// How a box is brought to the input's aspect.
enum class CropKind {
  kGrow,    // its shorter side grows: HRNet's top-down crop
  kStretch  // it is stretched: appearance networks
};

struct CropShape {
  CropKind kind = CropKind::kGrow;
  double padding = 1.25;      // factor on both sides, around the centre
  int width = 0, height = 0;  // of the input, pixels
};

// frame = network * scale + offset, per axis.
struct CropMap {
  double scale_x, offset_x;
  double scale_y, offset_y;
};

EDGERT_HD double larger(double a, double b) {
  return a < b ? b : a;
}

EDGERT_HD CropMap crop_map(Box box, const CropShape& shape) {
  // A box without area still has a centre; a thousandth of a pixel keeps the map invertible.
  const double box_width = larger(static_cast<double>(box.x2) - box.x1, 1e-3);
  const double box_height = larger(static_cast<double>(box.y2) - box.y1, 1e-3);
  double shown_width = box_width, shown_height = box_height;
  if (shape.kind == CropKind::kGrow) {
    const double aspect = static_cast<double>(shape.width) / shape.height;
    shown_width = larger(box_width, box_height * aspect);
    shown_height = larger(box_height, box_width / aspect);
  }
  shown_width *= shape.padding, shown_height *= shape.padding;
  const double center_x = (static_cast<double>(box.x1) + box.x2) / 2;
  const double center_y = (static_cast<double>(box.y1) + box.y2) / 2;
  return {shown_width / shape.width, center_x - shown_width / 2, shown_height / shape.height,
          center_y - shown_height / 2};
}

EDGERT_HD Warp crop_warp(const CropMap& map, const CropShape& shape) {
  return {{static_cast<float>(map.scale_x), static_cast<float>(map.offset_x)},
          {static_cast<float>(map.scale_y), static_cast<float>(map.offset_y)},
          0,
          0,
          shape.width,
          shape.height,
          Border::kBlack};
}

}  // namespace edgert
