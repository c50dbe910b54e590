#include "bindings/networks.hpp"

#include <pybind11/stl.h>

#include <algorithm>

#include "cpu/cpu_backend.hpp"
#include "cuda/cuda_backend.hpp"
#include "cuda/measure.hpp"
#include "error.hpp"

namespace edgert::bindings {
namespace {

// ---- on the host: `run(batch)` works on arrays

// Calls back into Python.
class PythonEngine final : public Engine {
 public:
  PythonEngine(py::object run, TensorView input, std::vector<TensorView> outputs, py::object arrays)
      : Engine(input, std::move(outputs)), run_(std::move(run)), arrays_(std::move(arrays)) {}

  // A pipeline's thread may end last, without the GIL.
  ~PythonEngine() override {
    py::gil_scoped_acquire acquire;
    run_ = py::object();
    arrays_ = py::object();
  }

  void run(int batch) override {
    py::gil_scoped_acquire acquire;
    run_(batch);
  }

 private:
  py::object run_;
  py::object arrays_;  // keeps the memory alive
};

std::unique_ptr<Engine> make_engine(const py::object& leg) {
  const py::object network = leg.attr("network");
  const auto input = network.attr("input").cast<py::array>();
  const auto outputs = network.attr("outputs").cast<std::vector<py::array>>();
  std::vector<TensorView> views;
  for (const py::array& output : outputs) views.push_back(tensor_view(output, "output"));
  require(!views.empty(), "outputs: expected at least one");
  return std::make_unique<PythonEngine>(network.attr("run"), tensor_view(input, "input"),
                                        std::move(views), py::make_tuple(input, outputs));
}

// ---- on a device: `bind(stream, input, outputs)` gives a function that enqueues

TensorView tensor_of(const py::handle& spec) {
  const auto shape = spec.attr("shape").cast<std::vector<std::int64_t>>();
  const auto dtype = spec.attr("dtype").cast<py::dtype>();
  require(dtype.kind() == 'f' && (dtype.itemsize() == 4 || dtype.itemsize() == 2) &&
              !shape.empty() && shape.size() <= 4,
          "network: expected float32 or float16 tensors of up to 4 dimensions");
  TensorView view;
  view.dtype = dtype.itemsize() == 4 ? DType::kFloat32 : DType::kFloat16;
  view.rank = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), view.shape.begin());
  return view;
}

// Lets go of a Python object wherever the last owner is.
std::shared_ptr<py::object> share(py::object object) {
  return {new py::object(std::move(object)), [](py::object* held) {
            py::gil_scoped_acquire acquire;
            delete held;
          }};
}

cuda::Network make_network(const py::object& leg) {
  const py::object network = leg.attr("network");
  cuda::Network made;
  made.input = tensor_of(network.attr("input"));
  for (const py::handle output : network.attr("outputs")) made.outputs.push_back(tensor_of(output));
  made.batches = network.attr("batches").cast<std::vector<int>>();
  require(!made.outputs.empty() && !made.batches.empty(), "network: expected outputs and batches");
  made.bind = [bind = share(network.attr("bind"))](
                  cuda::StreamView stream, const TensorView& input,
                  std::span<const TensorView> outputs) -> cuda::Enqueue {
    py::gil_scoped_acquire acquire;
    const auto address = [](const TensorView& tensor) {
      return reinterpret_cast<std::uintptr_t>(tensor.data);
    };
    py::list addresses;
    for (const TensorView& output : outputs) addresses.append(address(output));
    const auto handle = reinterpret_cast<std::uintptr_t>(stream.handle());
    return [run = share((*bind)(handle, address(input), addresses))](int batch) {
      py::gil_scoped_acquire inner;
      (*run)(batch);
    };
  };
  return made;
}

// ---- how they are fed and read

DetectorLeg detector_leg(const py::object& leg) {
  return {leg.attr("normalization").cast<Normalization>(), leg.attr("classes").cast<int>(),
          leg.attr("filter").cast<BoxFilter>(), leg.attr("joints").cast<int>(),
          leg.attr("end_to_end").cast<bool>()};
}

ReidLeg reid_leg(const py::object& leg) {
  return {leg.attr("normalization").cast<Normalization>(), leg.attr("padding").cast<double>()};
}

PoseLeg pose_leg(const py::object& leg) {
  return {leg.attr("normalization").cast<Normalization>(), leg.attr("layout").cast<HeatmapLayout>(),
          leg.attr("padding").cast<double>()};
}

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const py::object& detector, const py::object& reid,
                                          const py::object& pose, std::size_t lanes) {
  cpu::Network<ReidLeg> reid_network;
  if (!reid.is_none()) reid_network = {make_engine(reid), reid_leg(reid)};
  cpu::Network<PoseLeg> pose_network;
  if (!pose.is_none()) pose_network = {make_engine(pose), pose_leg(pose)};
  return std::make_unique<cpu::CpuBackend>(
      cpu::Network<DetectorLeg>{make_engine(detector), detector_leg(detector)},
      std::move(reid_network), std::move(pose_network), lanes);
}

std::unique_ptr<Backend> make_cuda_backend(const CudaContext& context, const py::object& detector,
                                           const py::object& reid, const py::object& pose,
                                           std::size_t lanes, bool graphs) {
  cuda::Networks networks;
  networks.detector = make_network(detector);
  networks.detector_leg = detector_leg(detector);
  if (!reid.is_none()) {
    networks.reid = make_network(reid);
    networks.reid_leg = reid_leg(reid);
  }
  if (!pose.is_none()) {
    networks.pose = make_network(pose);
    networks.pose_leg = pose_leg(pose);
  }
  py::gil_scoped_release release;  // warming networks up takes seconds
  return std::make_unique<cuda::CudaBackend>(context.kernels, context.device, std::move(networks),
                                             lanes, graphs);
}

py::tuple measure_network(const CudaContext& context, const py::object& leg, int batch, int runs) {
  const cuda::Network network = make_network(leg);
  const auto& batches = network.batches;
  require(std::find(batches.begin(), batches.end(), batch) != batches.end() && runs >= 1,
          "batch, runs: expected one of the network's batches, and at least one run");
  cuda::NetworkTime time{};
  {
    py::gil_scoped_release release;
    time = cuda::measure(context.device, network, batch, runs);
  }
  return py::make_tuple(time.ms, time.recorded);
}

}  // namespace edgert::bindings
