// NumPy arrays -> views. The Python side has checked what it was given and says so in its own
// words; these checks keep a mistake there from becoming a wild pointer.
#include <limits>
#include <string>

#include "bindings/bindings.hpp"
#include "error.hpp"

namespace edgert::bindings {

FrameView frame_view(const std::uint8_t* data, std::span<const std::int64_t> shape,
                     std::span<const std::int64_t> strides_bytes, const PixelLayout& layout) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max() / 16;
  FrameView frame;
  frame.data = data;
  frame.format = layout.format;
  frame.matrix = layout.matrix;
  const bool nv12 = layout.format == PixelFormat::kNv12;
  bool fits = shape.size() == (nv12 ? 2 : 3);
  for (const std::int64_t size : shape) fits = fits && size > 0 && size <= kMost;
  require(fits, "image: expected at least one pixel, of the dimensions of its format");
  frame.width = static_cast<int>(shape[1]);
  frame.height = static_cast<int>(nv12 ? shape[0] / 3 * 2 : shape[0]);
  frame.row_stride_bytes = strides_bytes[0];
  if (nv12) {
    require(shape[0] % 3 == 0 && shape[1] % 2 == 0 && strides_bytes[1] == 1,
            "image: expected (H * 3 / 2, W), H and W even, of NV12, the pixels of a row packed");
    frame.chroma = data + frame.height * strides_bytes[0];
    frame.chroma_row_stride_bytes = strides_bytes[0];
  } else if (layout.format == PixelFormat::kYuyv) {
    require(shape[1] % 2 == 0 && shape[2] == 2 && strides_bytes[1] == 2 && strides_bytes[2] == 1,
            "image: expected (H, W, 2), W even, of YUYV, the pixels of a row packed");
  } else {
    require(shape[2] == 3, "image: expected (H, W, 3)");
    frame.pixel_stride_bytes = strides_bytes[1];
    frame.channel_stride_bytes = strides_bytes[2];
  }
  return frame;
}

FrameView frame_view(const py::array& image, const PixelLayout& layout) {
  require(py::isinstance<py::array_t<std::uint8_t>>(image), "image: expected a uint8 array");
  const std::vector<std::int64_t> shape(image.shape(), image.shape() + image.ndim());
  const std::vector<std::int64_t> strides(image.strides(), image.strides() + image.ndim());
  return frame_view(static_cast<const std::uint8_t*>(image.data()), shape, strides, layout);
}

TensorView tensor_view(const py::array& array, const char* what) {
  const bool is_float =
      array.dtype().kind() == 'f' && (array.itemsize() == 4 || array.itemsize() == 2);
  if (!is_float || array.ndim() < 1 || array.ndim() > 4 ||
      (array.flags() & py::array::c_style) == 0) {
    throw InvalidArgument(
        std::string(what) +
        ": expected a C-contiguous float32 or float16 array of up to 4 dimensions");
  }
  TensorView view;
  view.data = const_cast<void*>(array.data());
  view.dtype = array.itemsize() == 4 ? DType::kFloat32 : DType::kFloat16;
  view.rank = static_cast<int>(array.ndim());
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    view.shape[static_cast<std::size_t>(i)] = array.shape(i);
  return view;
}

}  // namespace edgert::bindings
