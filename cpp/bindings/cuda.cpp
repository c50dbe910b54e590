// The GPU and edgert's kernels on it, for edgert.devices and edgert.ops.
#include "bindings/cuda.hpp"

#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "bindings/device_array.hpp"
#include "error.hpp"
#include "stages/crop.hpp"
#include "stages/preprocess.hpp"

namespace edgert::bindings {
namespace {

using Array = std::shared_ptr<DeviceArray>;

// Work of one call: enqueued on the caller's stream, in whose order its arrays are, or done when
// the call returns, on a stream of edgert's own that waits for who wrote the inputs.
class Call {
 public:
  Call(CudaContext& context, const py::object& stream, std::initializer_list<const DeviceArray*> in)
      : stream_(stream.is_none() ? cuda::StreamView()
                                 : cuda::StreamView(reinterpret_cast<cuda::StreamHandle>(
                                       stream.cast<std::uintptr_t>()))),
        own_(stream.is_none()) {
    context.device->make_current();
    if (!own_) return;
    lease_.emplace(context.streams.lease());
    stream_ = lease_->view();
    for (const DeviceArray* array : in) {
      if (array != nullptr) array->wait_on(stream_);
    }
  }
  cuda::StreamView stream() const { return stream_; }
  void finish() const {
    if (!own_) return;
    py::gil_scoped_release release;
    stream_.synchronize();
  }

 private:
  cuda::StreamView stream_;
  bool own_;
  std::optional<cuda::StreamPool::Lease> lease_;
};

py::array matrix(const Affine& a) {
  const double values[6] = {a.scale_x, 0, a.offset_x, 0, a.scale_y, a.offset_y};
  return to_array<double>(values, {2, 3});
}

TensorView image_tensor(const DeviceArray& array) {
  const TensorView view = tensor_view(array, "out");
  require(view.rank == 4 && view.shape[1] == 3, "out: expected (N, 3, H, W)");
  return view;
}

py::array letterbox(CudaContext& context, const Array& image, const PixelLayout& layout,
                    const Array& out, const Normalization& normalization,
                    const py::object& stream) {
  const TensorView input = image_tensor(*out);
  const FrameView frame = picture(*image, layout).view;
  const Placement view =
      edgert::letterbox(frame.width, frame.height, static_cast<int>(input.shape[3]),
                        static_cast<int>(input.shape[2]));
  const Call call(context, stream, {image.get()});
  context.kernels->letterbox(frame, view.warp, normalization, input).enqueue(call.stream());
  call.finish();
  return matrix(view.to_frame);
}

// `boxes`: (N, 4) float32 on the device; whoever gave them knows where they are on the host.
void crop_people(CudaContext& context, const Array& image, const PixelLayout& layout,
                 const Array& boxes, const Array& out, const Normalization& normalization,
                 double padding, const py::object& stream) {
  const TensorView input = image_tensor(*out), corners = tensor_view(*boxes, "boxes");
  require(corners.rank == 2 && corners.shape[1] == 4 && corners.shape[0] == input.shape[0] &&
              corners.dtype == DType::kFloat32,
          "boxes: expected (N, 4) float32, a row for each item of out");
  const Call call(context, stream, {image.get(), boxes.get()});
  context.kernels
      ->crops(picture(*image, layout).view, static_cast<const Box*>(corners.data),
              static_cast<int>(corners.shape[0]), CropKind::kGrow, padding, normalization, input)
      .enqueue(call.stream());
  call.finish();
}

std::size_t decode_scratch_bytes(int anchors, int max_detections) {
  return cuda::Kernels::decode_scratch_bytes(anchors, max_detections);
}

void decode_boxes(CudaContext& context, const Array& output, int classes, const BoxFilter& filter,
                  const Array& wanted, const Array& scratch, const Array& result,
                  const py::object& stream) {
  const TensorView head = tensor_view(*output, "output");
  require(head.rank == 3 && head.shape[0] == 1 && head.shape[1] >= 4 + classes,
          "output: expected (1, 4 + classes + 3 * joints, anchors)");
  const int joints = static_cast<int>(head.shape[1] - 4 - classes) / 3;
  const auto bytes = [](const Array& array) { return static_cast<std::size_t>(array->shape()[0]); };
  require(bytes(scratch) >= cuda::Kernels::decode_scratch_bytes(static_cast<int>(head.shape[2]),
                                                                filter.max_detections) &&
              bytes(result) >= cuda::Kernels::decode_result_bytes(filter.max_detections, joints),
          "scratch, result: too small");
  const Call call(context, stream, {output.get()});
  context.kernels->decode_boxes(
      call.stream(), head, classes, filter,
      wanted == nullptr ? nullptr : reinterpret_cast<const std::uint8_t*>(wanted->address()),
      reinterpret_cast<void*>(scratch->address()),
      reinterpret_cast<DetectedBoxes*>(result->address()));
  call.finish();
}

void decode_heatmaps(CudaContext& context, const Array& heatmaps, const Array& offsets,
                     const HeatmapLayout& layout, const Array& joints, const py::object& stream) {
  const TensorView maps = tensor_view(*heatmaps, "heatmaps");
  require(maps.rank == 4, "heatmaps: expected (N, K, h, w)");
  TensorView vectors;
  if (offsets != nullptr) vectors = tensor_view(*offsets, "offsets");
  const std::vector<std::int64_t> wanted{maps.shape[0], maps.shape[1], 4};
  require(joints->shape() == wanted && joints->dtype().itemsize() == 4,
          "joints: expected (N, K, 4), 4 bytes a value");
  const Call call(context, stream, {heatmaps.get(), offsets.get()});
  context.kernels->decode_heatmaps(call.stream(), maps, offsets == nullptr ? nullptr : &vectors,
                                   layout, static_cast<int>(maps.shape[0]),
                                   reinterpret_cast<Joint*>(joints->address()));
  call.finish();
}

void cosine_distances(CudaContext& context, const Array& a, const Array& b, const Array& out,
                      const py::object& stream) {
  const TensorView rows = tensor_view(*a, "a"), columns = tensor_view(*b, "b"),
                   distances = tensor_view(*out, "out");
  require(rows.rank == 2 && columns.rank == 2 && rows.shape[1] == columns.shape[1] &&
              distances.rank == 2 && distances.shape[0] == rows.shape[0] &&
              distances.shape[1] == columns.shape[0] && rows.dtype == DType::kFloat32 &&
              columns.dtype == DType::kFloat32 && distances.dtype == DType::kFloat32,
          "a, b, out: expected (M, F), (N, F) and (M, N) float32");
  const Call call(context, stream, {a.get(), b.get()});
  context.kernels->cosine_distances(
      call.stream(), static_cast<const float*>(rows.data), static_cast<int>(rows.shape[0]),
      static_cast<const float*>(columns.data), static_cast<int>(columns.shape[0]),
      static_cast<int>(rows.shape[1]), static_cast<float*>(distances.data));
  call.finish();
}

}  // namespace

CudaContext::CudaContext(int ordinal, const std::filesystem::path& kernels_folder)
    : device(cuda::Device::get(ordinal)),
      kernels(std::make_shared<const cuda::Kernels>(device, kernels_folder)),
      streams(device),
      intake(device) {}

void bind_cuda(py::module_& m) {
  using namespace py::literals;
  m.def("cuda_driver_state", &cuda::driver_state);
  m.def("cuda_driver_version", &cuda::driver_version);
  m.def("cuda_devices", [] {
    py::list devices;
    for (const cuda::DeviceFacts& d : cuda::list_devices())
      devices.append(py::make_tuple(d.name, d.compute_capability, d.integrated, d.total_bytes));
    return devices;
  });

  bind_device_array(m);
  py::class_<CudaContext, std::shared_ptr<CudaContext>>(m, "CudaContext")
      .def(py::init([](int ordinal, const std::string& kernels_folder) {
             return std::make_shared<CudaContext>(ordinal, kernels_folder);
           }),
           "ordinal"_a, "kernels_folder"_a)
      .def_property_readonly("ordinal", [](const CudaContext& c) { return c.device->ordinal(); })
      .def_property_readonly("name", [](const CudaContext& c) { return c.device->name(); })
      .def_property_readonly("compute_capability",
                             [](const CudaContext& c) { return c.device->compute_capability(); })
      .def_property_readonly("integrated",
                             [](const CudaContext& c) { return c.device->integrated(); })
      .def_property_readonly("memory",
                             [](const CudaContext& c) {
                               const auto memory = c.device->memory();
                               return py::make_tuple(memory.free_bytes, memory.total_bytes);
                             })
      .def_property_readonly("kernels", [](const CudaContext& c) { return c.kernels->image(); })
      .def_property_readonly("intake",
                             [](const CudaContext& c) {
                               return reinterpret_cast<std::uintptr_t>(c.intake.view().handle());
                             })
      .def(
          "empty",
          [](const CudaContext& c, std::vector<std::int64_t> shape, const py::dtype& dtype) {
            return DeviceArray::empty(c.device, std::move(shape), dtype);
          },
          "shape"_a, "dtype"_a)
      .def(
          "zeros",
          [](const CudaContext& c, std::vector<std::int64_t> shape, const py::dtype& dtype) {
            auto array = DeviceArray::empty(c.device, std::move(shape), dtype);
            std::size_t bytes = static_cast<std::size_t>(dtype.itemsize());
            for (const std::int64_t size : array->shape()) bytes *= static_cast<std::size_t>(size);
            cuda::fill_bytes(array->address(), 0, bytes, c.intake);
            c.intake.view().synchronize();
            return array;
          },
          "shape"_a, "dtype"_a)
      .def(
          "from_dlpack",
          [](const CudaContext& c, const py::capsule& capsule) {
            return DeviceArray::from_dlpack(c.device, capsule, c.intake);
          },
          "capsule"_a)
      .def(
          "from_interface",
          [](const CudaContext& c, const py::object& owner) {
            const py::dict interface = owner.attr("__cuda_array_interface__");
            return DeviceArray::from_interface(c.device, interface, owner);
          },
          "owner"_a)
      .def(
          "copy_from",
          [](const CudaContext& c, DeviceArray& to, const py::array& from) {
            require(to.contiguous() && (from.flags() & py::array::c_style) != 0 &&
                        from.dtype().is(to.dtype()) &&
                        std::equal(to.shape().begin(), to.shape().end(), from.shape(),
                                   from.shape() + from.ndim()),
                    "copy: expected two C-contiguous arrays of one shape and dtype");
            const void* source = from.data();
            const auto bytes = static_cast<std::size_t>(from.nbytes());
            py::gil_scoped_release release;
            cuda::copy_to_device(to.address(), source, bytes, c.intake);
            c.intake.view().synchronize();
          },
          "to"_a, "host"_a)
      .def("letterbox", &letterbox, "image"_a, "layout"_a, "out"_a, "normalization"_a,
           "stream"_a = py::none())
      .def("crop_people", &crop_people, "image"_a, "layout"_a, "boxes"_a, "out"_a,
           "normalization"_a, "padding"_a, "stream"_a = py::none())
      .def_static("decode_scratch_bytes", &decode_scratch_bytes, "anchors"_a, "max_detections"_a)
      .def_static("decode_result_bytes", &cuda::Kernels::decode_result_bytes, "max_detections"_a,
                  "joints"_a)
      .def("decode_boxes", &decode_boxes, "output"_a, "classes"_a, "filter"_a, "wanted"_a,
           "scratch"_a, "result"_a, "stream"_a = py::none())
      .def("decode_heatmaps", &decode_heatmaps, "heatmaps"_a, "offsets"_a, "layout"_a, "joints"_a,
           "stream"_a = py::none())
      .def("cosine_distances", &cosine_distances, "a"_a, "b"_a, "out"_a, "stream"_a = py::none());
}

}  // namespace edgert::bindings
