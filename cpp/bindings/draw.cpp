// Drawing: all shapes of a frame in one call, for edgert.draw.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <vector>

#include "bindings/bindings.hpp"
#include "draw/canvas.hpp"
#include "error.hpp"

namespace edgert::bindings {
namespace {

using Bgr = std::array<std::uint8_t, 3>;
using Label = std::tuple<int, int, py::array, Bgr, Bgr>;  // left, top, mask, ink, ground

// Float32 rows of two points, a width or radius, and a colour.
class Shapes {
 public:
  Shapes(const py::array& rows, const char* what)
      : rows_(static_cast<const float*>(rows.data())),
        count_(rows.ndim() == 2 ? rows.shape(0) : 0) {
    if (!py::isinstance<py::array_t<float>>(rows) || rows.ndim() != 2 || rows.shape(1) != 8 ||
        (rows.flags() & py::array::c_style) == 0) {
      throw InvalidArgument(std::string(what) + ": expected a C-contiguous (N, 8) float32 array");
    }
  }

  // draw_one(start, end, size, colour)
  template <typename DrawOne>
  void each(DrawOne draw_one) const {
    for (py::ssize_t i = 0; i < count_; ++i) {
      const float* row = rows_ + 8 * i;
      draw_one(draw::Point{row[0], row[1]}, draw::Point{row[2], row[3]}, row[4],
               draw::Colour{channel(row[5]), channel(row[6]), channel(row[7])});
    }
  }

 private:
  static std::uint8_t channel(float value) {  // 0 for NaN
    return static_cast<std::uint8_t>(value > 0 ? std::min(value, 255.0f) : 0.0f);
  }

  const float* rows_;
  py::ssize_t count_;
};

draw::MaskView mask_view(const py::array& mask) {
  require(py::isinstance<py::array_t<std::uint8_t>>(mask) && mask.ndim() == 2 &&
              mask.shape(0) < 0x10000 && mask.shape(1) < 0x10000 &&
              (mask.flags() & py::array::c_style) != 0,
          "labels: expected each mask to be a C-contiguous (h, w) uint8 array");
  return {static_cast<const std::uint8_t*>(mask.data()), static_cast<int>(mask.shape(1)),
          static_cast<int>(mask.shape(0)), mask.shape(1)};
}

void draw_shapes(const py::array& image, const py::array& outlines, const py::array& strokes,
                 const std::vector<Label>& labels) {
  const FrameView frame = frame_view(image);
  require(frame.packed_pixels() && image.writeable(),
          "image: expected a writeable array whose pixels are packed, 3 bytes each");
  draw::Canvas canvas(const_cast<std::uint8_t*>(frame.data), frame.width, frame.height,
                      frame.row_stride_bytes);
  const Shapes boxes(outlines, "outlines");
  const Shapes lines(strokes, "strokes");
  std::vector<draw::MaskView> masks;
  for (const Label& label : labels) masks.push_back(mask_view(std::get<py::array>(label)));

  const py::gil_scoped_release release;
  boxes.each([&](auto... shape) { canvas.outline(shape...); });
  lines.each([&](auto... shape) { canvas.stroke(shape...); });
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto& [left, top, array, ink, ground] = labels[i];
    const draw::MaskView& mask = masks[i];
    canvas.fill({left, top, std::int64_t{left} + mask.width, std::int64_t{top} + mask.height},
                {ground[0], ground[1], ground[2]});
    canvas.blit(mask, left, top, {ink[0], ink[1], ink[2]});
  }
}

}  // namespace

void bind_draw(py::module_& m) {
  using namespace py::literals;
  m.def("draw_shapes", &draw_shapes, "image"_a, "outlines"_a, "strokes"_a, "labels"_a);
}

}  // namespace edgert::bindings
