#include "cpu/cpu_backend.hpp"

#include <algorithm>

#include "cpu/warp.hpp"
#include "scratch.hpp"
#include "stages/crop.hpp"
#include "stages/preprocess.hpp"

namespace edgert::cpu {
namespace {

int width(const TensorView& input) {
  return static_cast<int>(input.shape[3]);
}

int height(const TensorView& input) {
  return static_cast<int>(input.shape[2]);
}

}  // namespace

CpuBackend::CpuBackend(Network<DetectorLeg> detector, Network<ReidLeg> reid, Network<PoseLeg> pose,
                       std::size_t lanes)
    : detector_(std::move(detector)),
      reid_(std::move(reid)),
      pose_(std::move(pose)),
      frames_(lanes + 1),
      lanes_(lanes) {}

void CpuBackend::begin_detection(std::size_t lane, std::size_t slot) {
  const FrameView& frame = frames_[slot];
  Lane& work = lanes_[lane];
  work.frame = frame;
  Engine& engine = *detector_.engine;
  const TensorView& input = engine.input();
  const Placement view = letterbox(frame.width, frame.height, width(input), height(input));
  timed(times(), Stage::kPreprocess,
        [&] { warp(frame, {&view, 1}, detector_.leg.normalization, input); });
  timed(times(), Stage::kDetect, [&] { engine.run(1); });
  timed(times(), Stage::kBoxes, [&] {
    const DetectorLeg& leg = detector_.leg;
    const TensorView& output = engine.outputs()[0];
    if (leg.end_to_end) {
      rows_reader_.read(output, leg.classes, leg.filter, view.to_frame, work.detections);
    } else {
      boxes_reader_.decode_boxes(output, leg.classes, leg.filter, view.to_frame, work.detections);
    }
  });
}

void CpuBackend::end_detection(std::size_t lane, Detections& detections) {
  std::swap(lanes_[lane].detections, detections);
}

std::span<const float> CpuBackend::embed(std::size_t lane, std::span<const Box> boxes) {
  Engine& engine = *reid_.engine;
  const TensorView& input = engine.input();
  const TensorView& output = engine.outputs()[0];
  const std::size_t row = feature_width();
  const auto batch = static_cast<std::size_t>(engine.max_batch());
  reserve(features_, boxes.size() * row);
  for (std::size_t first = 0; first < boxes.size(); first += batch) {
    const std::size_t last = std::min(first + batch, boxes.size());
    reid_placements_.clear();
    for (std::size_t i = first; i < last; ++i) {
      reid_placements_.push_back(stretch(boxes[i], width(input), height(input), reid_.leg.padding));
    }
    warp(lanes_[lane].frame, reid_placements_, reid_.leg.normalization, input);
    engine.run(static_cast<int>(last - first));
    read(output, last - first, features_.data() + first * row);
  }
  return {features_.data(), boxes.size() * row};
}

void CpuBackend::begin_poses(std::size_t lane, std::span<const Box> boxes) {
  lanes_[lane].people = boxes;
}

std::size_t CpuBackend::end_poses(std::size_t lane, Poses poses) {
  const std::span<const Box> boxes = lanes_[lane].people;
  Engine& engine = *pose_.engine;
  const TensorView& input = engine.input();
  const TensorView& heatmaps = engine.outputs()[0];
  const TensorView* offsets = engine.outputs().size() > 1 ? &engine.outputs()[1] : nullptr;
  const auto joints = static_cast<std::size_t>(heatmaps.shape[1]);

  std::size_t dropped = 0;
  Stopwatch crop_watch, pose_watch, keypoints_watch;
  const auto batch = static_cast<std::size_t>(engine.max_batch());
  for (std::size_t first = 0; first < boxes.size(); first += batch) {
    const std::size_t count = std::min(batch, boxes.size() - first);
    crop_watch.time([&] {
      placements_.clear();
      to_frame_.clear();
      for (std::size_t i = first; i < first + count; ++i) {
        placements_.push_back(crop(boxes[i], width(input), height(input), pose_.leg.padding));
        to_frame_.push_back(placements_.back().to_frame);
      }
      warp(lanes_[lane].frame, placements_, pose_.leg.normalization, input);
    });
    pose_watch.time([&] { engine.run(static_cast<int>(count)); });
    keypoints_watch.time([&] {
      dropped += joints_reader_.decode_heatmaps(heatmaps, offsets, pose_.leg.layout, to_frame_,
                                                poses.keypoints + 2 * joints * first,
                                                poses.scores + joints * first);
    });
  }
  times().add(Stage::kCrop, crop_watch.total());
  times().add(Stage::kPose, pose_watch.total());
  times().add(Stage::kKeypoints, keypoints_watch.total());
  return dropped;
}

int CpuBackend::pose_joints() const {
  return pose_.engine == nullptr ? 0 : static_cast<int>(pose_.engine->outputs()[0].shape[1]);
}

std::size_t CpuBackend::feature_width() const {
  if (reid_.engine == nullptr) return 0;
  return static_cast<std::size_t>(reid_.engine->outputs()[0].elements_per_item());
}

}  // namespace edgert::cpu
