// NumPy arrays -> views. The Python side has checked what it was given and says so in its own
// words; these checks keep a mistake there from becoming a wild pointer.
#include <limits>
#include <string>

#include "bindings/bindings.hpp"
#include "error.hpp"

namespace edgert::bindings {

FrameView frame_view(const py::array& image) {
  const bool fits = py::isinstance<py::array_t<std::uint8_t>>(image) && image.ndim() == 3 &&
                    image.shape(2) == 3 && image.shape(0) > 0 && image.shape(1) > 0 &&
                    image.shape(0) <= std::numeric_limits<int>::max() / 16 &&
                    image.shape(1) <= std::numeric_limits<int>::max() / 16;
  require(fits, "image: expected a (H, W, 3) uint8 array with at least one pixel");
  return {static_cast<const std::uint8_t*>(image.data()),
          static_cast<int>(image.shape(1)),
          static_cast<int>(image.shape(0)),
          image.strides(0),
          image.strides(1),
          image.strides(2)};
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
