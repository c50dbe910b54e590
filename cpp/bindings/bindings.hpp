// One function a part: each adds its classes and functions to the module `edgert._core`.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "stages/frame.hpp"
#include "tensor.hpp"
#include "track/bytetrack.hpp"

namespace edgert::bindings {

namespace py = pybind11;

void bind_draw(py::module_& module);
void bind_ops(py::module_& module);
void bind_pipeline(py::module_& module);
void bind_quant(py::module_& module);
void bind_solids(py::module_& module);
void bind_track(py::module_& module);

// What the bytes of an image mean.
struct PixelLayout {
  PixelFormat format = PixelFormat::kBgr8;
  YuvMatrix matrix{};
};

// An image in memory, not copied: (H, W, 3) of any strides, of kNv12 (H * 3 / 2, W), of kYuyv (H,
// W, 2), the pixels of a row packed. throws InvalidArgument.
FrameView frame_view(const std::uint8_t* data, std::span<const std::int64_t> shape,
                     std::span<const std::int64_t> strides_bytes, const PixelLayout& layout = {});
FrameView frame_view(const py::array& image, const PixelLayout& layout = {});

// A C-contiguous float32 or float16 array, not copied. throws InvalidArgument naming `what`.
TensorView tensor_view(const py::array& array, const char* what);

// The native tracker of an edgert._core.ByteTrack, which stays alive with it.
std::shared_ptr<track::ByteTrack> share_tracker(const py::object& tracker);

// A new array with a copy of `data`.
template <typename T>
py::array to_array(const void* data, std::vector<py::ssize_t> shape) {
  py::array_t<T> array(std::move(shape));
  if (array.size() > 0)
    std::memcpy(array.mutable_data(), data, static_cast<std::size_t>(array.nbytes()));
  return array;
}

}  // namespace edgert::bindings
