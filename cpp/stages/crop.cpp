#include "stages/crop.hpp"

#include <algorithm>

namespace edgert {

Placement crop(Box box, int width, int height, double padding) {
  const double center_x = (static_cast<double>(box.x1) + box.x2) / 2;
  const double center_y = (static_cast<double>(box.y1) + box.y2) / 2;
  const double aspect = static_cast<double>(width) / height;
  // A box without area still has a centre; a thousandth of a pixel keeps the map invertible.
  const double box_width = std::max(static_cast<double>(box.x2) - box.x1, 1e-3);
  const double box_height = std::max(static_cast<double>(box.y2) - box.y1, 1e-3);
  const double crop_width = std::max(box_width, box_height * aspect) * padding;
  const double crop_height = std::max(box_height, box_width / aspect) * padding;

  Placement placement{};
  placement.to_frame = {crop_width / width, center_x - crop_width / 2, crop_height / height,
                        center_y - crop_height / 2};
  placement.warp = {placement.to_frame.x_axis(),
                    placement.to_frame.y_axis(),
                    0,
                    0,
                    width,
                    height,
                    Border::kBlack};
  return placement;
}

}  // namespace edgert
