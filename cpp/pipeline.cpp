#include "pipeline.hpp"

#include <algorithm>
#include <cmath>

#include "stages/crop.hpp"
#include "stages/preprocess.hpp"

namespace edgert {
namespace {

template <typename Work>
void timed(StageTimes& times, Stage stage, Work&& work) {
  Stopwatch watch;
  watch.time(work);
  times.add(stage, watch.total());
}

}  // namespace

Pipeline::Pipeline(std::unique_ptr<Backend> backend, DetectorLeg detector, ReidLeg reid,
                   TrackerLeg tracker, PoseLeg pose, int lanes)
    : backend_(std::move(backend)),
      detector_(std::move(detector)),
      reid_(std::move(reid)),
      tracker_(std::move(tracker)),
      pose_(std::move(pose)),
      lanes_(static_cast<std::size_t>(lanes)) {
  if (pose_.engine != nullptr) pose_thread_ = std::thread([this] { run_pose_leg(); });
}

Pipeline::~Pipeline() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (pose_thread_.joinable()) pose_thread_.join();
}

// ---- one frame
// ----------------------------------------------------------------------------------------------

void Pipeline::detect(Lane& lane) {
  const Engine& engine = *detector_.engine;
  const auto height = static_cast<int>(engine.input().shape[2]);
  const auto width = static_cast<int>(engine.input().shape[3]);
  const Placement view = letterbox(lane.frame.width, lane.frame.height, width, height);
  timed(times_, Stage::kPreprocess,
        [&] { backend_->warp(lane.frame, {&view, 1}, detector_.normalization, engine.input()); });
  timed(times_, Stage::kDetect, [&] { detector_.engine->run(1); });
  timed(times_, Stage::kBoxes, [&] {
    backend_->decode_boxes(engine.outputs()[0], detector_.classes, detector_.filter, view.to_frame,
                           lane.detections);
  });
}

void Pipeline::track(Lane& lane) {
  lane.people.joints = detector_.joints;
  if (tracker_.tracker == nullptr) {
    take_all(lane.detections, lane.people);
    return;
  }
  const Detections& found = lane.detections;
  track::ByteTrack& tracker = tracker_of(lane.stream);
  const std::span<const float> features = embed(lane, tracker.options().track_high_thresh);
  timed(times_, Stage::kTrack, [&] {
    const std::span<const float> boxes(reinterpret_cast<const float*>(found.boxes.data()),
                                       4 * found.size());
    const track::TracksView tracks =
        tracker.update({.boxes = boxes,
                        .scores = std::span(found.scores),
                        .class_ids = found.class_ids,
                        .features = features,
                        .feature_width = features.empty() ? 0 : features.size() / found.size()});
    const float untracked_above = tracker_.untracked
                                      ? static_cast<float>(tracker.options().track_high_thresh)
                                      : std::nanf("");
    take_tracked(found, tracks.ids, tracks.detection_indices, untracked_above, lane.people);
  });
}

// Features of the detections over a score, which come first; zeros, which the tracker takes for
// none, for the others. Empty without an appearance network or a detection.
std::span<const float> Pipeline::embed(const Lane& lane, double above_score) {
  if (reid_.engine == nullptr || lane.detections.size() == 0) return {};
  timed(times_, Stage::kReid, [&] {
    Engine& engine = *reid_.engine;
    const TensorView& input = engine.input();
    const TensorView& output = engine.outputs()[0];
    const auto& scores = lane.detections.scores;
    const auto count = static_cast<std::size_t>(
        std::find_if(scores.begin(), scores.end(), [&](float s) { return s <= above_score; }) -
        scores.begin());
    const auto width = static_cast<std::size_t>(output.elements_per_item());
    features_.assign(lane.detections.size() * width, 0.0f);
    const auto batch = static_cast<std::size_t>(engine.max_batch());
    for (std::size_t first = 0; first < count; first += batch) {
      const std::size_t last = std::min(first + batch, count);
      reid_placements_.clear();
      for (std::size_t i = first; i < last; ++i) {
        reid_placements_.push_back(stretch(lane.detections.boxes[i],
                                           static_cast<int>(input.shape[3]),
                                           static_cast<int>(input.shape[2]), reid_.padding));
      }
      backend_->warp(lane.frame, reid_placements_, reid_.normalization, input);
      engine.run(static_cast<int>(last - first));
      backend_->read(output, last - first, features_.data() + first * width);
    }
  });
  return features_;
}

void Pipeline::estimate_poses(Lane& lane) {
  Engine& engine = *pose_.engine;
  const TensorView& input = engine.input();
  const TensorView& heatmaps = engine.outputs()[0];
  const TensorView* offsets = engine.outputs().size() > 1 ? &engine.outputs()[1] : nullptr;
  People& people = lane.people;
  const auto joints = static_cast<std::size_t>(heatmaps.shape[1]);
  people.joints = static_cast<int>(joints);
  people.keypoints.resize(people.size() * joints * 2);
  people.keypoint_scores.resize(people.size() * joints);

  Stopwatch crop_watch, pose_watch, keypoints_watch;
  const auto batch = static_cast<std::size_t>(engine.max_batch());
  for (std::size_t first = 0; first < people.size(); first += batch) {
    const std::size_t count = std::min(batch, people.size() - first);
    crop_watch.time([&] {
      placements_.clear();
      to_frame_.clear();
      for (std::size_t i = first; i < first + count; ++i) {
        placements_.push_back(crop(people.boxes[i], static_cast<int>(input.shape[3]),
                                   static_cast<int>(input.shape[2]), pose_.padding));
        to_frame_.push_back(placements_.back().to_frame);
      }
      backend_->warp(lane.frame, placements_, pose_.normalization, input);
    });
    pose_watch.time([&] { engine.run(static_cast<int>(count)); });
    keypoints_watch.time([&] {
      lane.dropped_heatmaps += backend_->decode_heatmaps(
          heatmaps, offsets, pose_.layout, to_frame_, people.keypoints.data() + 2 * joints * first,
          people.keypoint_scores.data() + joints * first);
    });
  }
  times_.add(Stage::kCrop, crop_watch.total());
  times_.add(Stage::kPose, pose_watch.total());
  times_.add(Stage::kKeypoints, keypoints_watch.total());
}

track::ByteTrack& Pipeline::tracker_of(int stream) {
  if (stream == 0) return *tracker_.tracker;
  while (more_trackers_.size() < static_cast<std::size_t>(stream)) {
    more_trackers_.push_back(std::make_unique<track::ByteTrack>(tracker_.tracker->options()));
  }
  return *more_trackers_[static_cast<std::size_t>(stream) - 1];
}

// ---- many frames
// --------------------------------------------------------------------------------------------

bool Pipeline::wait_for_lane(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return detected_ - collected_ < lanes_.size(); });
}

void Pipeline::submit(const FrameView& frame, int stream, double time_s) {
  Lane& lane = this->lane(detected_);
  lane.frame = frame;
  lane.stream = stream;
  lane.time_s = time_s;
  lane.submitted = StageTimes::Clock::now();
  lane.error = nullptr;
  lane.people.clear();
  lane.dropped_heatmaps = 0;
  try {
    detect(lane);
    track(lane);
  } catch (...) {
    lane.error = std::current_exception();
  }
  if (pose_.engine == nullptr) finish(lane);
  {
    std::lock_guard lock(mutex_);
    ++detected_;
    if (pose_.engine == nullptr) done_ = detected_;
  }
  changed_.notify_all();
}

void Pipeline::run_pose_leg() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || done_ < detected_; });
      if (stopping_) return;
    }
    Lane& lane = this->lane(done_);
    try {
      if (lane.error == nullptr) estimate_poses(lane);
    } catch (...) {
      lane.error = std::current_exception();
    }
    finish(lane);
    {
      std::lock_guard lock(mutex_);
      ++done_;
    }
    changed_.notify_all();
  }
}

void Pipeline::finish(Lane& lane) {
  times_.add(Stage::kTotal, StageTimes::Clock::now() - lane.submitted);
}

Lane* Pipeline::wait_for_result(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool done = changed_.wait_for(lock, timeout, [&] { return collected_ < done_; });
  return done ? &lane(collected_) : nullptr;
}

void Pipeline::release() {
  {
    std::lock_guard lock(mutex_);
    ++collected_;
  }
  changed_.notify_all();
}

void Pipeline::reset() {
  if (tracker_.tracker != nullptr) tracker_.tracker->reset();
  more_trackers_.clear();
}

int Pipeline::in_flight() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(detected_ - collected_);
}

}  // namespace edgert
