// A GPU as Python holds it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "bindings/bindings.hpp"
#include "cuda/device.hpp"
#include "cuda/kernels.hpp"
#include "cuda/stream.hpp"

namespace edgert::bindings {

struct CudaContext {
  CudaContext(int ordinal, const std::filesystem::path& kernels_folder);

  std::shared_ptr<cuda::Device> device;
  std::shared_ptr<const cuda::Kernels> kernels;
  cuda::StreamPool streams;
  cuda::Stream intake;  // what others wrote is waited for here
};

void bind_cuda(py::module_& module);

}  // namespace edgert::bindings
