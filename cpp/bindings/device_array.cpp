#include "bindings/device_array.hpp"

#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/dlpack.hpp"
#include "error.hpp"

namespace edgert::bindings {
namespace {

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape,
                                             std::int64_t item_bytes) {
  std::vector<std::int64_t> strides(shape.size());
  for (std::size_t i = shape.size(); i-- > 0; item_bytes *= shape[i]) strides[i] = item_bytes;
  return strides;
}

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

py::dtype dtype_of(dlpack::DataType type) {
  const char kind = type.code == dlpack::kFloat ? 'f' : type.code == dlpack::kUInt ? 'u' : 'i';
  require(type.code <= dlpack::kFloat && type.lanes == 1 && type.bits % 8 == 0,
          "array: expected a DLPack tensor of integers or floats");
  return py::dtype(std::string(1, kind) + std::to_string(type.bits / 8));
}

dlpack::DataType dlpack_type(const py::dtype& dtype) {
  const std::uint8_t code = dtype.kind() == 'f'   ? dlpack::kFloat
                            : dtype.kind() == 'u' ? dlpack::kUInt
                                                  : dlpack::kInt;
  return {code, static_cast<std::uint8_t>(8 * dtype.itemsize()), 1};
}

// What a consumer of a capsule holds until it calls the deleter.
struct Export {
  dlpack::ManagedTensor managed{};
  std::shared_ptr<DeviceArray> array;
  std::vector<std::int64_t> strides;
};

}  // namespace

DeviceArray::DeviceArray(std::shared_ptr<cuda::Device> device, py::dtype dtype)
    : device_(std::move(device)), dtype_(std::move(dtype)) {}

DeviceArray::~DeviceArray() {
  auto* managed = static_cast<dlpack::ManagedTensor*>(managed_);
  if (managed != nullptr && managed->deleter != nullptr) managed->deleter(managed);
}

std::shared_ptr<DeviceArray> DeviceArray::empty(std::shared_ptr<cuda::Device> device,
                                                std::vector<std::int64_t> shape,
                                                const py::dtype& dtype) {
  std::shared_ptr<DeviceArray> array(new DeviceArray(device, dtype));
  array->shape_ = std::move(shape);
  array->strides_bytes_ = contiguous_strides(array->shape_, dtype.itemsize());
  const auto bytes = static_cast<std::size_t>(elements(array->shape_) * dtype.itemsize());
  array->memory_ = cuda::DeviceBuffer(std::move(device), bytes);
  array->address_ = array->memory_.address();
  return array;
}

std::shared_ptr<DeviceArray> DeviceArray::from_dlpack(std::shared_ptr<cuda::Device> device,
                                                      py::capsule capsule,
                                                      cuda::StreamView stream) {
  require(std::string(capsule.name()) == dlpack::kFresh,
          "array: expected a DLPack capsule that nobody has taken yet");
  auto* managed = capsule.get_pointer<dlpack::ManagedTensor>();
  const dlpack::Tensor& tensor = managed->tensor;
  require((tensor.device.type == dlpack::kCuda || tensor.device.type == dlpack::kCudaManaged) &&
              tensor.device.id == device->ordinal(),
          "array: expected one on the device that the pipeline works on");
  std::shared_ptr<DeviceArray> array(new DeviceArray(std::move(device), dtype_of(tensor.dtype)));
  array->shape_.assign(tensor.shape, tensor.shape + tensor.ndim);
  array->strides_bytes_ = contiguous_strides(array->shape_, array->dtype_.itemsize());
  if (tensor.strides != nullptr) {
    for (std::size_t i = 0; i < array->shape_.size(); ++i) {
      array->strides_bytes_[i] = tensor.strides[i] * array->dtype_.itemsize();
    }
  }
  array->address_ = reinterpret_cast<cuda::DevicePointer>(tensor.data) + tensor.byte_offset;
  array->written_on_ = stream.handle();
  capsule.set_name(dlpack::kTaken);
  array->managed_ = managed;
  return array;
}

std::shared_ptr<DeviceArray> DeviceArray::from_interface(std::shared_ptr<cuda::Device> device,
                                                         const py::dict& interface,
                                                         py::object owner) {
  const auto type = py::dtype::from_args(interface["typestr"]);
  std::shared_ptr<DeviceArray> array(new DeviceArray(std::move(device), type));
  array->shape_ = interface["shape"].cast<std::vector<std::int64_t>>();
  array->strides_bytes_ = contiguous_strides(array->shape_, type.itemsize());
  if (interface.contains("strides") && !interface["strides"].is_none()) {
    array->strides_bytes_ = interface["strides"].cast<std::vector<std::int64_t>>();
  }
  require(array->strides_bytes_.size() == array->shape_.size(),
          "array: expected one stride a dimension in __cuda_array_interface__");
  array->address_ = interface["data"].cast<py::tuple>()[0].cast<cuda::DevicePointer>();
  if (interface.contains("stream") && !interface["stream"].is_none()) {
    array->written_on_ = reinterpret_cast<void*>(interface["stream"].cast<std::uintptr_t>());
  }
  array->owner_ = std::move(owner);
  return array;
}

bool DeviceArray::contiguous() const {
  return strides_bytes_ == contiguous_strides(shape_, dtype_.itemsize()) || elements(shape_) == 0;
}

void DeviceArray::wait_on(cuda::StreamView stream) const {
  if (written_on_ == nullptr || written_on_ == stream.handle()) return;
  cuda::Event written(device_, cuda::Event::Timing::kOff);
  written.record(cuda::StreamView(static_cast<cuda::StreamHandle>(written_on_)));
  stream.wait(written);
}

py::dict DeviceArray::interface() const {
  py::dict interface;
  interface["shape"] = py::tuple(py::cast(shape_));
  interface["typestr"] = dtype_.attr("str");
  interface["data"] = py::make_tuple(address_, false);
  interface["strides"] =
      contiguous() ? py::object(py::none()) : py::tuple(py::cast(strides_bytes_));
  interface["version"] = 3;
  interface["stream"] = written_on_ == nullptr
                            ? py::object(py::none())
                            : py::cast(reinterpret_cast<std::uintptr_t>(written_on_));
  return interface;
}

py::array DeviceArray::to_numpy() const {
  require(contiguous(), "array: expected C-contiguous memory to copy to the host");
  py::array host(dtype_, shape_);
  if (host.size() == 0) return host;
  const cuda::Stream stream(device_);
  void* target = host.mutable_data();
  const auto bytes = static_cast<std::size_t>(host.nbytes());
  py::gil_scoped_release release;
  wait_on(stream);
  cuda::copy_to_host(target, address_, bytes, stream);
  stream.view().synchronize();
  return host;
}

void bind_device_array(py::module_& m) {
  using namespace py::literals;
  py::class_<DeviceArray, std::shared_ptr<DeviceArray>>(m, "DeviceArray")
      .def_property_readonly("shape",
                             [](const DeviceArray& a) { return py::tuple(py::cast(a.shape())); })
      .def_property_readonly("dtype", [](const DeviceArray& a) { return a.dtype(); })
      .def_property_readonly(
          "device",
          [](const DeviceArray& a) { return "cuda:" + std::to_string(a.device()->ordinal()); })
      .def_property_readonly("__cuda_array_interface__", &DeviceArray::interface)
      .def(
          "__dlpack__",
          [](const std::shared_ptr<DeviceArray>& array, const py::object& stream,
             const py::kwargs&) {
            // Consumers name the legacy stream 1, the per-thread one 2, as the driver does; None
            // is the legacy one; -1: no waiting.
            const auto number = stream.is_none() ? std::intptr_t{1} : stream.cast<std::intptr_t>();
            if (number != -1) {
              array->wait_on(cuda::StreamView(reinterpret_cast<cuda::StreamHandle>(number)));
            }
            auto held = std::make_unique<Export>();
            held->array = array;
            for (const std::int64_t bytes : array->strides_bytes()) {
              held->strides.push_back(bytes / array->dtype().itemsize());
            }
            dlpack::Tensor& tensor = held->managed.tensor;
            tensor.data = reinterpret_cast<void*>(array->address());
            tensor.device = {dlpack::kCuda, array->device()->ordinal()};
            tensor.ndim = static_cast<std::int32_t>(array->shape().size());
            tensor.dtype = dlpack_type(array->dtype());
            tensor.shape = const_cast<std::int64_t*>(array->shape().data());
            tensor.strides = held->strides.data();
            held->managed.context = held.get();
            held->managed.deleter = [](dlpack::ManagedTensor* managed) {
              py::gil_scoped_acquire acquire;
              delete static_cast<Export*>(managed->context);
            };
            return py::capsule(&held.release()->managed, dlpack::kFresh, [](PyObject* capsule) {
              // Nobody took it.
              void* pointer = PyCapsule_IsValid(capsule, dlpack::kFresh) != 0
                                  ? PyCapsule_GetPointer(capsule, dlpack::kFresh)
                                  : nullptr;
              auto* managed = static_cast<dlpack::ManagedTensor*>(pointer);
              if (managed != nullptr) managed->deleter(managed);
            });
          },
          "stream"_a = py::none())
      .def("__dlpack_device__",
           [](const DeviceArray& a) {
             return py::make_tuple(static_cast<int>(dlpack::kCuda), a.device()->ordinal());
           })
      .def("numpy", &DeviceArray::to_numpy)
      .def("__len__", [](const DeviceArray& a) { return a.shape().empty() ? 0 : a.shape()[0]; });
}

TensorView tensor_view(const DeviceArray& array, const char* what) {
  const auto& dtype = array.dtype();
  const bool is_float = dtype.kind() == 'f' && (dtype.itemsize() == 4 || dtype.itemsize() == 2);
  if (!is_float || array.shape().empty() || array.shape().size() > 4 || !array.contiguous()) {
    throw InvalidArgument(
        std::string(what) +
        ": expected a C-contiguous float32 or float16 array of up to 4 dimensions");
  }
  TensorView view;
  view.data = reinterpret_cast<void*>(array.address());
  view.dtype = dtype.itemsize() == 4 ? DType::kFloat32 : DType::kFloat16;
  view.rank = static_cast<int>(array.shape().size());
  std::copy(array.shape().begin(), array.shape().end(), view.shape.begin());
  return view;
}

Picture picture(const DeviceArray& array, const PixelLayout& layout) {
  require(array.dtype().kind() == 'u' && array.dtype().itemsize() == 1,
          "image: expected a uint8 array");
  const auto* data = reinterpret_cast<const std::uint8_t*>(array.address());
  return {frame_view(data, array.shape(), array.strides_bytes(), layout), true, array.written_on()};
}

}  // namespace edgert::bindings
