#include "pipeline.hpp"

#include <algorithm>
#include <cmath>

namespace edgert {

Pipeline::Pipeline(std::unique_ptr<Backend> backend, TrackerLeg tracker, std::size_t lanes)
    : backend_(std::move(backend)), tracker_(std::move(tracker)), lanes_(lanes) {
  track_thread_ = std::thread([this] {
    attend(submitted_, tracked_, to_track_, to_end_, [this](std::size_t i) { track(i); });
  });
  end_thread_ = std::thread([this] {
    attend(tracked_, done_, to_end_, result_ready_, [this](std::size_t i) { end_poses(i); });
  });
}

Pipeline::~Pipeline() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  to_track_.notify_all();
  to_end_.notify_all();
  track_thread_.join();
  end_thread_.join();
}

// ---- one frame
// ----------------------------------------------------------------------------------------------

void Pipeline::submit(const Picture& picture, int stream, double time_s) {
  const std::size_t index = this->index(submitted_);
  Lane& lane = lanes_[index];
  lane.picture = picture;
  lane.stream = stream;
  lane.time_s = time_s;
  lane.submitted = StageTimes::Clock::now();
  lane.error = nullptr;
  lane.people.clear();
  lane.dropped_heatmaps = 0;
  attempt(lane, [&] { backend_->begin_detection(index, picture); });
  {
    std::lock_guard lock(mutex_);
    ++submitted_;
  }
  to_track_.notify_one();
}

void Pipeline::track(std::size_t index) {
  Lane& lane = lanes_[index];
  attempt(lane, [&] {
    backend_->end_detection(index, lane.detections);
    lane.people.joints = backend_->detector_joints();
    if (tracker_.tracker == nullptr) {
      take_all(lane.detections, lane.people);
    } else {
      const Detections& found = lane.detections;
      track::ByteTrack& tracker = tracker_of(lane.stream);
      const auto features = embed(index, tracker.options().track_high_thresh);
      timed(times(), Stage::kTrack, [&] {
        const std::span<const float> boxes(reinterpret_cast<const float*>(found.boxes.data()),
                                           4 * found.size());
        const track::TracksView tracks = tracker.update(
            {.boxes = boxes,
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
    if (backend_->pose_joints() > 0) backend_->begin_poses(index, lane.people.boxes);
  });
}

// Features of the detections over a score, which come first; zeros, which the tracker takes for
// none, for the others. Empty without an appearance network or a detection.
std::span<const float> Pipeline::embed(std::size_t index, double above_score) {
  const Detections& found = lanes_[index].detections;
  const std::size_t width = backend_->feature_width();
  if (width == 0 || found.size() == 0) return {};
  timed(times(), Stage::kReid, [&] {
    const auto& scores = found.scores;
    const auto count = static_cast<std::size_t>(
        std::find_if(scores.begin(), scores.end(), [&](float s) { return s <= above_score; }) -
        scores.begin());
    const auto rows = backend_->embed(index, std::span(found.boxes).first(count));
    features_.assign(rows.begin(), rows.end());
    features_.resize(width * found.size(), 0.0f);
  });
  return features_;
}

void Pipeline::end_poses(std::size_t index) {
  Lane& lane = lanes_[index];
  const auto joints = static_cast<std::size_t>(backend_->pose_joints());
  attempt(lane, [&] {
    if (joints == 0) return;
    People& people = lane.people;
    people.joints = static_cast<int>(joints);
    people.keypoints.resize(people.size() * joints * 2);
    people.keypoint_scores.resize(people.size() * joints);
    lane.dropped_heatmaps =
        backend_->end_poses(index, {people.keypoints.data(), people.keypoint_scores.data()});
  });
  times().add(Stage::kTotal, StageTimes::Clock::now() - lane.submitted);
}

track::ByteTrack& Pipeline::tracker_of(int stream) {
  if (stream == 0) return *tracker_.tracker;
  while (more_trackers_.size() < static_cast<std::size_t>(stream)) {
    more_trackers_.push_back(std::make_unique<track::ByteTrack>(tracker_.tracker->options()));
  }
  return *more_trackers_[static_cast<std::size_t>(stream) - 1];
}

template <typename Work>
void Pipeline::attempt(Lane& lane, Work work) {
  if (lane.error != nullptr) return;
  try {
    work();
  } catch (...) {
    lane.error = std::current_exception();
  }
}

// ---- many frames
// --------------------------------------------------------------------------------------------

template <typename Work>
void Pipeline::attend(const std::uint64_t& arrived, std::uint64_t& left,
                      std::condition_variable& arrival, std::condition_variable& next, Work work) {
  std::unique_lock lock(mutex_);
  while (true) {
    arrival.wait(lock, [&] { return stopping_ || left < arrived; });
    if (stopping_) return;
    const std::size_t index = this->index(left);
    lock.unlock();
    work(index);
    lock.lock();
    ++left;
    next.notify_one();
  }
}

bool Pipeline::wait_for_lane(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return lane_free_.wait_for(lock, timeout,
                             [&] { return submitted_ - collected_ < lanes_.size(); });
}

Lane* Pipeline::wait_for_result(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool done = result_ready_.wait_for(lock, timeout, [&] { return collected_ < done_; });
  return done ? &lanes_[index(collected_)] : nullptr;
}

void Pipeline::release() {
  {
    std::lock_guard lock(mutex_);
    ++collected_;
  }
  lane_free_.notify_one();
}

void Pipeline::reset() {
  if (tracker_.tracker != nullptr) tracker_.tracker->reset();
  more_trackers_.clear();
}

int Pipeline::in_flight() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(submitted_ - collected_);
}

}  // namespace edgert
