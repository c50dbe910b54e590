// The module edgert._core. Only the files of this folder know Python.
#include "bindings/bindings.hpp"
#include "bindings/cuda.hpp"
#include "cuda/cuda_error.hpp"
#include "error.hpp"

namespace edgert::bindings {

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native core of edgert.";
  m.attr("__version__") = EDGERT_VERSION;
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const cuda::UnavailableError& e) {
      py::set_error(py::module_::import("edgert.errors").attr("UnavailableError"), e.what());
    } catch (const InvalidArgument& e) {
      py::set_error(PyExc_ValueError, e.what());
    } catch (const Error& e) {
      py::set_error(PyExc_RuntimeError, e.what());
    }
  });
  bind_cuda(m);   // before the pipeline, which takes its context
  bind_track(m);  // before the pipeline, which takes one
  bind_pipeline(m);
  bind_ops(m);
  bind_draw(m);
  bind_solids(m);
  bind_quant(m);
}

}  // namespace edgert::bindings
