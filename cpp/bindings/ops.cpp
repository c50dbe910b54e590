// The host stages as functions of arrays, for edgert.ops.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "cpu/outputs.hpp"
#include "cpu/warp.hpp"
#include "error.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "stages/crop.hpp"
#include "stages/frame.hpp"
#include "stages/preprocess.hpp"
#include "stages/rows.hpp"

namespace edgert::bindings {
namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

void write_matrix(const Affine& affine, double* matrix) {
  const double values[6] = {affine.scale_x, 0, affine.offset_x, 0, affine.scale_y, affine.offset_y};
  std::copy(std::begin(values), std::end(values), matrix);
}

Affine read_matrix(const double* matrix) {
  require(matrix[1] == 0 && matrix[3] == 0, "to_frame: expected no rotation or shear");
  return {matrix[0], matrix[2], matrix[4], matrix[5]};
}

TensorView image_tensor(const py::array& array, std::size_t items) {
  const TensorView view = tensor_view(array, "out");
  require(view.rank == 4 && view.shape[1] == 3 &&
              view.shape[0] == static_cast<std::int64_t>(items) && view.shape[2] > 0 &&
              view.shape[3] > 0 && array.writeable(),
          "out: expected a writeable (N, 3, H, W) array, N the number of regions");
  return view;
}

PixelLayout pixel_layout(const std::string& format, const std::string& matrix, bool full_range) {
  constexpr std::pair<const char*, PixelFormat> kFormats[] = {{"bgr", PixelFormat::kBgr8},
                                                              {"rgb", PixelFormat::kRgb8},
                                                              {"nv12", PixelFormat::kNv12},
                                                              {"yuyv", PixelFormat::kYuyv}};
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const auto& entry) { return format == entry.first; });
  if (found == std::end(kFormats)) {
    throw InvalidArgument("format is '" + format + "', expected 'bgr', 'rgb', 'nv12' or 'yuyv'");
  }
  if (matrix != "bt601" && matrix != "bt709")
    throw InvalidArgument("matrix is '" + matrix + "', expected 'bt601' or 'bt709'");
  return {found->second, yuv_matrix(matrix == "bt601" ? YuvStandard::kBt601 : YuvStandard::kBt709,
                                    full_range ? YuvRange::kFull : YuvRange::kLimited)};
}

py::array letterbox_into(const py::array& image, const py::array& out,
                         const Normalization& normalization, const PixelLayout& layout) {
  const FrameView frame = frame_view(image, layout);
  const TensorView output = image_tensor(out, 1);
  const Placement placement =
      letterbox(frame.width, frame.height, static_cast<int>(output.shape[3]),
                static_cast<int>(output.shape[2]));
  {
    py::gil_scoped_release release;
    cpu::warp(frame, {&placement, 1}, normalization, output);
  }
  py::array_t<double> to_frame({2, 3});
  write_matrix(placement.to_frame, to_frame.mutable_data());
  return to_frame;
}

py::array crop_people_into(const py::array& image, const Floats& boxes, const py::array& out,
                           const Normalization& normalization, double padding,
                           const PixelLayout& layout) {
  const FrameView frame = frame_view(image, layout);
  require(boxes.ndim() == 2 && boxes.shape(1) == 4, "boxes: expected (N, 4)");
  const auto count = static_cast<std::size_t>(boxes.shape(0));
  const TensorView output = image_tensor(out, count);
  std::vector<Placement> placements;
  py::array_t<double> to_frame({boxes.shape(0), py::ssize_t{2}, py::ssize_t{3}});
  for (std::size_t i = 0; i < count; ++i) {
    const float* box = boxes.data() + 4 * i;
    placements.push_back(crop({box[0], box[1], box[2], box[3]}, static_cast<int>(output.shape[3]),
                              static_cast<int>(output.shape[2]), padding));
    write_matrix(placements.back().to_frame, to_frame.mutable_data() + 6 * i);
  }
  {
    py::gil_scoped_release release;
    cpu::warp(frame, placements, normalization, output);
  }
  return to_frame;
}

// Network pixels to frame pixels of the crops that crop_people makes.
py::array crop_matrices(const Floats& boxes, int width, int height, double padding) {
  require(boxes.ndim() == 2 && boxes.shape(1) == 4, "boxes: expected (N, 4)");
  py::array_t<double> to_frame({boxes.shape(0), py::ssize_t{2}, py::ssize_t{3}});
  for (py::ssize_t i = 0; i < boxes.shape(0); ++i) {
    const float* box = boxes.data() + 4 * i;
    const Placement placement = crop({box[0], box[1], box[2], box[3]}, width, height, padding);
    write_matrix(placement.to_frame, to_frame.mutable_data() + 6 * i);
  }
  return to_frame;
}

// One a thread, so that its buffers are kept between calls.
cpu::OutputReader& reader() {
  thread_local cpu::OutputReader instance;
  return instance;
}

py::tuple detections_tuple(const Detections& found, py::ssize_t joints) {
  const auto count = static_cast<py::ssize_t>(found.size());
  return py::make_tuple(to_array<float>(found.boxes.data(), {count, 4}),
                        to_array<float>(found.scores.data(), {count}),
                        to_array<std::int32_t>(found.class_ids.data(), {count}),
                        to_array<float>(found.keypoints.data(), {count, joints, 2}),
                        to_array<float>(found.keypoint_scores.data(), {count, joints}),
                        found.dropped_rows);
}

py::tuple decode_yolo(const py::array& output, const Doubles& to_frame, int classes,
                      const BoxFilter& filter) {
  const TensorView tensor = tensor_view(output, "output");
  require(tensor.rank == 3 && tensor.shape[0] == 1 && classes >= 1 &&
              tensor.shape[1] >= 4 + classes && (tensor.shape[1] - 4 - classes) % 3 == 0,
          "output: expected (1, 4 + classes + 3 * joints, anchors)");
  require(to_frame.size() == 6, "to_frame: expected (2, 3)");
  const Affine affine = read_matrix(to_frame.data());
  thread_local Detections found;
  {
    py::gil_scoped_release release;
    reader().decode_boxes(tensor, classes, filter, affine, found);
  }
  return detections_tuple(found, (tensor.shape[1] - 4 - classes) / 3);
}

py::tuple decode_end_to_end(const py::array& output, const Doubles& to_frame, int classes,
                            const BoxFilter& filter) {
  const TensorView tensor = tensor_view(output, "output");
  require(
      tensor.rank == 3 && tensor.shape[0] == 1 && tensor.shape[2] >= 6 && tensor.shape[2] % 3 == 0,
      "output: expected (1, N, 6 + 3 * joints)");
  require(to_frame.size() == 6, "to_frame: expected (2, 3)");
  const Affine affine = read_matrix(to_frame.data());
  thread_local RowReader rows;
  thread_local Detections found;
  {
    py::gil_scoped_release release;
    rows.read(tensor, classes, filter, affine, found);
  }
  return detections_tuple(found, (tensor.shape[2] - 6) / 3);
}

py::tuple decode_heatmaps(const py::array& heatmaps, const py::object& offsets,
                          const Doubles& to_frame, const HeatmapLayout& layout) {
  const TensorView maps = tensor_view(heatmaps, "heatmaps");
  require(maps.rank == 4 && maps.shape[1] > 0 && maps.shape[2] > 0 && maps.shape[3] > 0,
          "heatmaps: expected (N, K, h, w)");
  require(layout.blur_kernel % 2 == 1 && layout.blur_kernel >= 3 && layout.blur_kernel <= 31,
          "blur_kernel: expected an odd number from 3 to 31");
  const auto people = static_cast<std::size_t>(maps.shape[0]);
  require(static_cast<std::size_t>(to_frame.size()) == 6 * people, "to_frame: expected (N, 2, 3)");
  TensorView vectors;
  if (!offsets.is_none()) {
    vectors = tensor_view(py::cast<py::array>(offsets), "offsets");
    require(vectors.rank == 4 && vectors.shape[0] == maps.shape[0] &&
                vectors.shape[1] == 2 * maps.shape[1] && vectors.shape[2] == maps.shape[2] &&
                vectors.shape[3] == maps.shape[3],
            "offsets: expected (N, 2 * K, h, w)");
  }
  std::vector<Affine> affines;
  for (std::size_t i = 0; i < people; ++i) affines.push_back(read_matrix(to_frame.data() + 6 * i));
  py::array_t<float> keypoints({static_cast<py::ssize_t>(people), maps.shape[1], py::ssize_t{2}});
  py::array_t<float> scores({static_cast<py::ssize_t>(people), maps.shape[1]});
  std::size_t dropped = 0;
  {
    float* points = keypoints.mutable_data();
    float* confidences = scores.mutable_data();
    py::gil_scoped_release release;
    dropped = reader().decode_heatmaps(maps, offsets.is_none() ? nullptr : &vectors, layout,
                                       affines, points, confidences);
  }
  return py::make_tuple(keypoints, scores, dropped);
}

}  // namespace

void bind_ops(py::module_& m) {
  using namespace py::literals;
  py::class_<PixelLayout>(m, "PixelLayout")
      .def(py::init(&pixel_layout), "format"_a, "matrix"_a, "full_range"_a);
  m.def("letterbox_into", &letterbox_into, "image"_a, "out"_a, "normalization"_a,
        "layout"_a = PixelLayout());
  m.def("crop_people_into", &crop_people_into, "image"_a, "boxes"_a, "out"_a, "normalization"_a,
        "padding"_a, "layout"_a = PixelLayout());
  m.def("crop_matrices", &crop_matrices, "boxes"_a, "width"_a, "height"_a, "padding"_a);
  m.def("decode_yolo", &decode_yolo, "output"_a, "to_frame"_a, "classes"_a, "filter"_a);
  m.def("decode_end_to_end", &decode_end_to_end, "output"_a, "to_frame"_a, "classes"_a, "filter"_a);
  m.def("decode_heatmaps", &decode_heatmaps, "heatmaps"_a, "offsets"_a, "to_frame"_a, "layout"_a);
  m.def("instruction_set", &instruction_set);
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, "count"_a, py::call_guard<py::gil_scoped_release>());
}

}  // namespace edgert::bindings
