// The pipeline and what it is made of, for edgert.pipeline.
#include <pybind11/native_enum.h>
#include <pybind11/stl.h>

#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "bindings/bindings.hpp"
#include "bindings/cuda.hpp"
#include "bindings/device_array.hpp"
#include "bindings/networks.hpp"
#include "error.hpp"
#include "pipeline.hpp"
#include "stages/preprocess.hpp"

namespace edgert::bindings {
namespace {

using namespace std::chrono_literals;

// How often a wait looks for Ctrl-C: waiting threads do not run Python's signal handlers.
constexpr auto kSignalInterval = 50ms;

// The native pipeline together with the frames that it looks at. Shared by the calls that are in
// it, so that closing it under them is safe.
struct Core {
  struct Held {
    py::object image;
    py::object tag;
  };

  std::mutex mutex;
  std::deque<Held> frames;  // in flight, oldest first
  py::object taken_in;      // perhaps still being copied, though it was not submitted
  std::optional<Pipeline> pipeline;

  // With the interpreter lock, which the pose thread may need to finish.
  ~Core() {
    py::gil_scoped_release release;
    pipeline.reset();
  }
};

class PyPipeline {
 public:
  PyPipeline(std::unique_ptr<Backend> backend, TrackerLeg tracker, std::size_t lanes)
      : core_(std::make_shared<Core>()) {
    core_->pipeline.emplace(std::move(backend), std::move(tracker), lanes);
  }

  // Waits for a free lane; False if stop() or close() was called meanwhile.
  // `image`: an array of the host, or a DeviceArray.
  bool submit(const py::object& image, const py::object& tag, int stream, double time_s) {
    const Picture frame = py::isinstance<DeviceArray>(image)
                              ? picture(image.cast<const DeviceArray&>())
                              : Picture{frame_view(image.cast<py::array>())};
    const std::shared_ptr<Core> core = open();
    core->taken_in = image;
    {
      py::gil_scoped_release release;
      core->pipeline->take_in(frame);
    }
    if (!wait([&] { return core->pipeline->wait_for_lane(kSignalInterval); })) return false;
    {
      std::lock_guard lock(core->mutex);
      core->frames.push_back({image, tag});
    }
    py::gil_scoped_release release;
    core->pipeline->submit(stream, time_s);
    return true;
  }

  // (tag, boxes, scores, class_ids, ids, keypoints, keypoint_scores, dropped_rows,
  // dropped_heatmaps) of the oldest frame, or None if stop() or close() was called before there was
  // one.
  py::object collect() {
    const std::shared_ptr<Core> core = open();
    Passage* passage = nullptr;
    if (!wait([&] {
          return (passage = core->pipeline->wait_for_result(kSignalInterval)) != nullptr;
        })) {
      return py::none();
    }
    py::object tag;
    {
      std::lock_guard lock(core->mutex);
      tag = std::move(core->frames.front().tag);
      core->frames.pop_front();
    }
    const std::exception_ptr error = std::exchange(passage->error, nullptr);
    py::object result = error ? py::none() : to_python(*passage, tag);
    core->pipeline->release();
    if (error) std::rethrow_exception(error);
    return result;
  }

  // Wakes submit() and collect() that wait, until resume().
  void stop() { stopped_ = true; }
  void resume() { stopped_ = false; }

  int in_flight() { return open()->pipeline->in_flight(); }
  std::string why_not_recorded() { return open()->pipeline->backend().why_not_recorded(); }

  void reset() {
    require(in_flight() == 0, "reset: frames are in flight; collect them first");
    open()->pipeline->reset();
  }

  void clear_times() { open()->pipeline->times().clear(); }

  void close() {
    stopped_ = true;
    core_.reset();
  }

  py::dict stages() {
    const std::shared_ptr<Core> core = open();
    py::dict all;
    for (std::size_t i = 0; i < kStageNames.size(); ++i) {
      const TimeHistogram times = core->pipeline->times().snapshot(static_cast<Stage>(i));
      if (times.count() == 0) continue;
      py::dict stage;
      stage["count"] = times.count();
      stage["mean"] = times.mean_ms();
      for (const int percent : {50, 95, 99}) {
        stage[py::str("p" + std::to_string(percent))] = times.percentile_ms(percent);
      }
      all[kStageNames[i]] = stage;
    }
    return all;
  }

 private:
  std::shared_ptr<Core> open() const {
    if (core_ == nullptr) throw Error("the pipeline is closed");
    return core_;
  }

  // Polls without the GIL until `ready()` or stop(); lets Ctrl-C through.
  template <typename Ready>
  bool wait(Ready&& ready) {
    while (true) {
      {
        py::gil_scoped_release release;
        if (ready()) return true;
      }
      if (stopped_) return false;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
  }

  static py::object to_python(const Passage& passage, const py::object& tag) {
    const People& people = passage.people;
    const auto count = static_cast<py::ssize_t>(people.size());
    const auto joints = static_cast<py::ssize_t>(people.joints);
    py::object keypoints = py::none(), keypoint_scores = py::none();
    if (joints > 0) {
      keypoints = to_array<float>(people.keypoints.data(), {count, joints, 2});
      keypoint_scores = to_array<float>(people.keypoint_scores.data(), {count, joints});
    }
    return py::make_tuple(tag, to_array<float>(people.boxes.data(), {count, 4}),
                          to_array<float>(people.scores.data(), {count}),
                          to_array<std::int32_t>(people.class_ids.data(), {count}),
                          to_array<std::int64_t>(people.ids.data(), {count}), keypoints,
                          keypoint_scores, passage.detections.dropped_rows,
                          passage.dropped_heatmaps);
  }

  std::shared_ptr<Core> core_;
  std::atomic<bool> stopped_{false};
};

std::unique_ptr<PyPipeline> make_pipeline(const py::object& detector, const py::object& reid,
                                          const py::object& tracker, const py::object& pose,
                                          bool untracked, int lanes, const py::object& context,
                                          bool graphs) {
  require(lanes >= 1 && lanes <= 64, "lanes: expected 1 to 64");
  const auto frames = static_cast<std::size_t>(lanes);
  std::unique_ptr<Backend> backend =
      context.is_none()
          ? make_cpu_backend(detector, reid, pose, frames)
          : make_cuda_backend(context.cast<CudaContext&>(), detector, reid, pose, frames, graphs);
  TrackerLeg tracker_leg{tracker.is_none() ? nullptr : share_tracker(tracker), untracked};
  return std::make_unique<PyPipeline>(std::move(backend), std::move(tracker_leg), frames);
}

}  // namespace

void bind_pipeline(py::module_& m) {
  using namespace py::literals;

  py::class_<Normalization>(m, "Normalization")
      .def(py::init(&normalize), "mean"_a, "std"_a, "fill"_a)
      .def_property_readonly("gain", [](const Normalization& n) { return std::to_array(n.gain); })
      .def_property_readonly("bias", [](const Normalization& n) { return std::to_array(n.bias); })
      .def_property_readonly("fill", [](const Normalization& n) { return std::to_array(n.fill); });

  py::class_<BoxFilter>(m, "BoxFilter")
      .def(py::init([](float score_threshold, float nms_threshold, int max_detections,
                       std::vector<std::uint8_t> wanted_classes) {
             return BoxFilter{score_threshold, nms_threshold, max_detections,
                              std::move(wanted_classes)};
           }),
           "score_threshold"_a, "nms_threshold"_a, "max_detections"_a, "wanted_classes"_a);

  py::native_enum<Refine>(m, "Refine", "enum.Enum")
      .value("none", Refine::kNone)
      .value("quarter", Refine::kQuarter)
      .value("dark", Refine::kDark)
      .finalize();
  py::native_enum<Cells>(m, "Cells", "enum.Enum")
      .value("corner", Cells::kCorner)
      .value("center", Cells::kCenter)
      .finalize();

  py::class_<OffsetLayout>(m, "OffsetLayout")
      .def(py::init([](bool x_first, bool interleaved, float cells_per_unit) {
             return OffsetLayout{x_first, interleaved, cells_per_unit};
           }),
           "x_first"_a, "interleaved"_a, "cells_per_unit"_a);

  py::class_<HeatmapLayout>(m, "HeatmapLayout")
      .def(py::init([](float stride_x, float stride_y, Refine refine, Cells cells, int blur_kernel,
                       const OffsetLayout& offsets) {
             return HeatmapLayout{stride_x, stride_y, refine, cells, blur_kernel, offsets};
           }),
           "stride_x"_a, "stride_y"_a, "refine"_a, "cells"_a, "blur_kernel"_a = 11,
           "offsets"_a = OffsetLayout{});

  m.def("measure_network", &measure_network, "context"_a, "leg"_a, "batch"_a, "runs"_a);

  py::class_<PyPipeline>(m, "Pipeline")
      .def(py::init(&make_pipeline), "detector"_a, "reid"_a, "tracker"_a, "pose"_a, "untracked"_a,
           "lanes"_a, "context"_a = py::none(), "graphs"_a = true)
      .def("submit", &PyPipeline::submit, "image"_a, "tag"_a, "stream"_a, "time_s"_a)
      .def("collect", &PyPipeline::collect)
      .def("stop", &PyPipeline::stop)
      .def("resume", &PyPipeline::resume)
      .def("reset", &PyPipeline::reset)
      .def("clear_times", &PyPipeline::clear_times)
      .def("close", &PyPipeline::close)
      .def("stages", &PyPipeline::stages)
      .def("why_not_recorded", &PyPipeline::why_not_recorded)
      .def_property_readonly("in_flight", &PyPipeline::in_flight);
}

}  // namespace edgert::bindings
