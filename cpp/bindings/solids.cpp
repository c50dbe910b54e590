// Rendering: shaded solids with labels, shadows, and what a camera adds, for edgert.demo.
#include <pybind11/stl.h>

#include <array>
#include <limits>

#include "bindings/bindings.hpp"
#include "draw/film.hpp"
#include "draw/solids.hpp"
#include "error.hpp"

namespace edgert::bindings {
namespace {

draw::Picture picture_of(const py::array& image, bool writes) {
  const FrameView frame = frame_view(image);
  require(frame.packed_pixels() && (!writes || image.writeable()),
          "image: expected a writeable array whose pixels are packed, 3 bytes each");
  return {const_cast<std::uint8_t*>(frame.data), frame.width, frame.height, frame.row_stride_bytes};
}

// The rows of a C-contiguous (N, columns) array, or (N,) where `columns` is 1.
template <typename Row, typename Scalar>
std::span<const Row> rows_of(const py::array& array, int columns, const char* what) {
  const bool fits =
      columns == 1 ? array.ndim() == 1 : array.ndim() == 2 && array.shape(1) == columns;
  if (!py::isinstance<py::array_t<Scalar>>(array) || !fits ||
      (array.flags() & py::array::c_style) == 0) {
    throw InvalidArgument(
        std::string(what) + ": expected a C-contiguous (N" +
        (columns == 1 ? std::string(",)") : ", " + std::to_string(columns) + ")") + " array of " +
        py::str(py::dtype::of<Scalar>()).cast<std::string>());
  }
  return {reinterpret_cast<const Row*>(array.data()), static_cast<std::size_t>(array.shape(0))};
}

py::tuple draw_solids(const py::array& image, py::array& labels, const py::array& solids,
                      const py::array& solid_labels, const std::array<float, 5>& light,
                      int owner_count) {
  const draw::Picture picture = picture_of(image, true);
  require(py::isinstance<py::array_t<std::int16_t>>(labels) && labels.ndim() == 2 &&
              labels.shape(0) == picture.height && labels.shape(1) == picture.width &&
              (labels.flags() & py::array::c_style) != 0 && labels.writeable(),
          "labels: expected a writeable C-contiguous int16 array of the image's height and width");
  const auto rows = rows_of<draw::Solid, float>(solids, draw::kSolidFloats, "solids");
  const auto names = rows_of<std::int16_t, std::int16_t>(solid_labels, 1, "solid_labels");
  require(rows.size() == names.size(), "solid_labels: expected one for each solid");
  require(owner_count >= 0 && owner_count <= 0x8000 / draw::kPartsPerOwner,
          "owner_count: expected 0 to 1024");
  constexpr int kLimit = std::numeric_limits<int>::max();
  std::vector<draw::Extent> extents(static_cast<std::size_t>(owner_count),
                                    {kLimit, kLimit, 0, 0, 0});
  std::vector<std::int32_t> seen(static_cast<std::size_t>(owner_count) * draw::kPartsPerOwner);
  auto* label_data = static_cast<std::int16_t*>(labels.mutable_data());
  {
    const py::gil_scoped_release release;
    draw::draw_solids(picture, label_data, rows, names,
                      {light[0], light[1], light[2], light[3], light[4]}, extents);
    const std::ptrdiff_t count = std::ptrdiff_t{picture.width} * picture.height;
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const auto label = static_cast<std::size_t>(label_data[i]);  // -1 is beyond all
      if (label < seen.size()) ++seen[label];
    }
  }
  return py::make_tuple(to_array<std::int32_t>(extents.data(), {owner_count, 5}),
                        to_array<std::int32_t>(seen.data(), {owner_count, draw::kPartsPerOwner}));
}

void cast_shadows(const py::array& image, const py::array& shadows, int strength) {
  const draw::Picture picture = picture_of(image, true);
  const auto rows = rows_of<draw::Shadow, float>(shadows, draw::kShadowFloats, "shadows");
  const py::gil_scoped_release release;
  thread_local std::vector<std::uint8_t> scratch;
  draw::cast_shadows(picture, rows, strength, scratch);
}

void expose(const py::array& source, const py::array& target, const py::array& taps) {
  const draw::Picture from = picture_of(source, false), to = picture_of(target, true);
  const auto rows = rows_of<draw::Tap, std::int32_t>(taps, 3, "taps");
  const py::gil_scoped_release release;
  draw::expose(from, to, rows);
}

void add_noise(const py::array& image, const py::array& noise, const py::array& row_offsets) {
  const draw::Picture picture = picture_of(image, true);
  const auto values = rows_of<std::int8_t, std::int8_t>(noise, 1, "noise");
  const auto offsets = rows_of<std::int64_t, std::int64_t>(row_offsets, 1, "row_offsets");
  require(offsets.size() == static_cast<std::size_t>(picture.height),
          "row_offsets: expected one for each row of the image");
  const py::gil_scoped_release release;
  draw::add_noise(picture, values, offsets);
}

}  // namespace

void bind_solids(py::module_& m) {
  using namespace py::literals;
  m.def("draw_solids", &draw_solids, "image"_a, "labels"_a, "solids"_a, "solid_labels"_a, "light"_a,
        "owner_count"_a);
  m.def("cast_shadows", &cast_shadows, "image"_a, "shadows"_a, "strength"_a);
  m.def("expose", &expose, "source"_a, "target"_a, "taps"_a);
  m.def("add_noise", &add_noise, "image"_a, "noise"_a, "row_offsets"_a);
}

}  // namespace edgert::bindings
