#include "stages/crop.hpp"

#include <algorithm>

namespace edgert {
namespace {

struct Size {
  double width, height;
};

// A box without area still has a centre; a thousandth of a pixel keeps the map invertible.
Size size_of(Box box) {
  return {std::max(static_cast<double>(box.x2) - box.x1, 1e-3),
          std::max(static_cast<double>(box.y2) - box.y1, 1e-3)};
}

Placement place(Box box, Size shown, int width, int height) {
  const double center_x = (static_cast<double>(box.x1) + box.x2) / 2;
  const double center_y = (static_cast<double>(box.y1) + box.y2) / 2;
  Placement placement{};
  placement.to_frame = {shown.width / width, center_x - shown.width / 2, shown.height / height,
                        center_y - shown.height / 2};
  placement.warp = {placement.to_frame.x_axis(),
                    placement.to_frame.y_axis(),
                    0,
                    0,
                    width,
                    height,
                    Border::kBlack};
  return placement;
}

}  // namespace

Placement crop(Box box, int width, int height, double padding) {
  const double aspect = static_cast<double>(width) / height;
  const Size size = size_of(box);
  return place(box,
               {std::max(size.width, size.height * aspect) * padding,
                std::max(size.height, size.width / aspect) * padding},
               width, height);
}

Placement stretch(Box box, int width, int height, double padding) {
  const Size size = size_of(box);
  return place(box, {size.width * padding, size.height * padding}, width, height);
}

}  // namespace edgert
