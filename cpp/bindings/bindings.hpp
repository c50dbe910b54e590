// One function a part: each adds its classes and functions to the module `edgert._core`.
#pragma once

#include <pybind11/pybind11.h>

namespace edgert::bindings {

namespace py = pybind11;

void bind_track(py::module_& m);  // ByteTrack, Tracks

}  // namespace edgert::bindings
