#include "stages/crop.hpp"

#include "crop.h"

namespace edgert {
namespace {

Placement place(Box box, const CropShape& shape) {
  const CropMap map = crop_map(box, shape);
  return {crop_warp(map, shape), {map.scale_x, map.offset_x, map.scale_y, map.offset_y}};
}

}  // namespace

Placement crop(Box box, int width, int height, double padding) {
  return place(box, {CropKind::kGrow, padding, width, height});
}

Placement stretch(Box box, int width, int height, double padding) {
  return place(box, {CropKind::kStretch, padding, width, height});
}

}  // namespace edgert
