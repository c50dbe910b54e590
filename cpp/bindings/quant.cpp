// Calibration: what has been seen of a network's tensors.
#include <pybind11/stl.h>

#include <vector>

#include "bindings/bindings.hpp"
#include "error.hpp"
#include "quant/histogram.hpp"

namespace edgert::bindings {
namespace {

// A tensor of any number of dimensions as one row of values.
TensorView row_view(const py::array& array) {
  require(array.dtype().kind() == 'f' && (array.itemsize() == 4 || array.itemsize() == 2) &&
              (array.flags() & py::array::c_style) != 0,
          "tensors: expected C-contiguous float32 or float16 arrays");
  TensorView view;
  view.data = const_cast<void*>(array.data());
  view.dtype = array.itemsize() == 4 ? DType::kFloat32 : DType::kFloat16;
  view.rank = 1;
  view.shape[0] = array.size();
  return view;
}

// One tally a tensor. One thread at a time: the Python side sees to it.
class Histograms {
 public:
  explicit Histograms(std::size_t size)
      // Untouched pages of zeros take no memory, and most bins stay empty.
      : counts_(py::module_::import("numpy").attr("zeros")(py::make_tuple(size, quant::kBins),
                                                           py::dtype::of<std::uint64_t>())),
        tallies_(size) {
    for (std::size_t i = 0; i < size; ++i)
      tallies_[i].counts = counts_.mutable_data(static_cast<py::ssize_t>(i), 0);
  }

  void add(const std::vector<py::array>& tensors) {
    std::vector<TensorView> views;
    for (const py::array& tensor : tensors) views.push_back(row_view(tensor));
    py::gil_scoped_release release;
    quant::count_magnitudes(views, tallies_);
  }

  py::array counts() const { return counts_; }

  py::array minima() const { return each<float>(&quant::Tally::minimum); }
  py::array maxima() const { return each<float>(&quant::Tally::maximum); }
  py::array nonfinite() const { return each<std::uint64_t>(&quant::Tally::nonfinite); }

 private:
  template <typename T>
  py::array each(T quant::Tally::* member) const {
    py::array_t<T> values(static_cast<py::ssize_t>(tallies_.size()));
    for (std::size_t i = 0; i < tallies_.size(); ++i)
      values.mutable_at(static_cast<py::ssize_t>(i)) = tallies_[i].*member;
    return values;
  }

  py::array_t<std::uint64_t> counts_;
  std::vector<quant::Tally> tallies_;
};

}  // namespace

void bind_quant(py::module_& m) {
  using namespace py::literals;
  py::class_<Histograms>(m, "Histograms")
      .def(py::init<std::size_t>(), "size"_a)
      .def("add", &Histograms::add, "tensors"_a)
      .def_property_readonly("counts", &Histograms::counts)
      .def_property_readonly("minima", &Histograms::minima)
      .def_property_readonly("maxima", &Histograms::maxima)
      .def_property_readonly("nonfinite", &Histograms::nonfinite);
}

}  // namespace edgert::bindings
