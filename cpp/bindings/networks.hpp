// Networks that Python has loaded, as backends.
#pragma once

#include <memory>

#include "backend.hpp"
#include "bindings/cuda.hpp"

namespace edgert::bindings {

// Legs are those of edgert.legs; `reid` and `pose` may be None.
std::unique_ptr<Backend> make_cpu_backend(const py::object& detector, const py::object& reid,
                                          const py::object& pose, std::size_t lanes);
std::unique_ptr<Backend> make_cuda_backend(const CudaContext& context, const py::object& detector,
                                           const py::object& reid, const py::object& pose,
                                           std::size_t lanes, bool graphs);

// (milliseconds, whether it was replayed) of a leg's network alone on a GPU.
py::tuple measure_network(const CudaContext& context, const py::object& leg, int batch, int runs);

}  // namespace edgert::bindings
