// An array in a GPU's memory: somebody else's, seen through DLPack or __cuda_array_interface__, or
// edgert's own, to be seen by others the same way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "bindings/bindings.hpp"
#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "cuda/stream.hpp"

namespace edgert::bindings {

class DeviceArray {
 public:
  // A new one, C-contiguous.
  static std::shared_ptr<DeviceArray> empty(std::shared_ptr<cuda::Device> device,
                                            std::vector<std::int64_t> shape,
                                            const py::dtype& dtype);
  // Takes a capsule of __dlpack__(stream): what wrote the array is before `stream` already.
  static std::shared_ptr<DeviceArray> from_dlpack(std::shared_ptr<cuda::Device> device,
                                                  py::capsule capsule, cuda::StreamView stream);
  // `owner` keeps the memory alive.
  static std::shared_ptr<DeviceArray> from_interface(std::shared_ptr<cuda::Device> device,
                                                     const py::dict& interface, py::object owner);
  ~DeviceArray();
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  cuda::DevicePointer address() const { return address_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::vector<std::int64_t>& strides_bytes() const { return strides_bytes_; }
  const py::dtype& dtype() const { return dtype_; }
  const std::shared_ptr<cuda::Device>& device() const { return device_; }
  bool contiguous() const;

  // `stream` waits for who wrote it.
  void wait_on(cuda::StreamView stream) const;
  // The stream of somebody else's that may still be writing it, null where nobody needs to wait.
  void* written_on() const { return written_on_; }

  py::dict interface() const;
  py::array to_numpy() const;

 private:
  DeviceArray(std::shared_ptr<cuda::Device> device, py::dtype dtype);

  std::shared_ptr<cuda::Device> device_;
  cuda::DeviceBuffer memory_;  // edgert's own
  py::object owner_;           // somebody else's
  void* managed_ = nullptr;    // of DLPack, to be given back
  cuda::DevicePointer address_ = 0;
  std::vector<std::int64_t> shape_, strides_bytes_;
  py::dtype dtype_;
  void* written_on_ = nullptr;
};

// The view of a C-contiguous float32 or float16 device array. throws InvalidArgument.
TensorView tensor_view(const DeviceArray& array, const char* what);

// The pixels of a uint8 device array, as frame_view() takes them. throws InvalidArgument.
Picture picture(const DeviceArray& array, const PixelLayout& layout = {});

void bind_device_array(py::module_& module);

}  // namespace edgert::bindings
