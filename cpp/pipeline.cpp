#include "pipeline.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace edgert {

Pipeline::Pipeline(std::unique_ptr<Backend> backend, TrackerLeg tracker, std::size_t lanes)
    : backend_(std::move(backend)),
      tracker_(std::move(tracker)),
      lanes_(lanes),
      passages_(lanes + 1) {
  track_thread_ = std::thread([this] {
    attend(submitted_, tracked_, to_track_, to_end_, [this](std::uint64_t n) { track(n); });
  });
  end_thread_ = std::thread([this] {
    attend(tracked_, done_, to_end_, result_ready_, [this](std::uint64_t n) { end_poses(n); });
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

void Pipeline::take_in(const Picture& picture) {
  taken_in_ = nullptr;
  try {
    backend_->take_in(slot(submitted_), picture);
  } catch (...) {
    taken_in_ = std::current_exception();
  }
}

void Pipeline::submit(int stream, double time_s) {
  Passage& passage = this->passage(submitted_);
  passage.stream = stream;
  passage.time_s = time_s;
  passage.submitted = StageTimes::Clock::now();
  passage.error = std::exchange(taken_in_, nullptr);
  passage.people.clear();
  passage.dropped_heatmaps = 0;
  attempt(passage, [&] { backend_->begin_detection(lane(submitted_), slot(submitted_)); });
  {
    std::lock_guard lock(mutex_);
    ++submitted_;
  }
  to_track_.notify_one();
}

void Pipeline::track(std::uint64_t sequence) {
  Passage& passage = this->passage(sequence);
  attempt(passage, [&] {
    backend_->end_detection(lane(sequence), passage.detections);
    passage.people.joints = backend_->detector_joints();
    if (tracker_.tracker == nullptr) {
      take_all(passage.detections, passage.people);
    } else {
      const Detections& found = passage.detections;
      track::ByteTrack& tracker = tracker_of(passage.stream);
      const auto features = embed(sequence, tracker.options().track_high_thresh);
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
        take_tracked(found, tracks.ids, tracks.detection_indices, untracked_above, passage.people);
      });
    }
    if (backend_->pose_joints() > 0) backend_->begin_poses(lane(sequence), passage.people.boxes);
  });
}

// Features of the detections over a score, which come first; zeros, which the tracker takes for
// none, for the others. Empty without an appearance network or a detection.
std::span<const float> Pipeline::embed(std::uint64_t sequence, double above_score) {
  const Detections& found = passage(sequence).detections;
  const std::size_t width = backend_->feature_width();
  if (width == 0 || found.size() == 0) return {};
  timed(times(), Stage::kReid, [&] {
    const auto& scores = found.scores;
    const auto count = static_cast<std::size_t>(
        std::find_if(scores.begin(), scores.end(), [&](float s) { return s <= above_score; }) -
        scores.begin());
    const auto rows = backend_->embed(lane(sequence), std::span(found.boxes).first(count));
    features_.assign(rows.begin(), rows.end());
    features_.resize(width * found.size(), 0.0f);
  });
  return features_;
}

void Pipeline::end_poses(std::uint64_t sequence) {
  Passage& passage = this->passage(sequence);
  const auto joints = static_cast<std::size_t>(backend_->pose_joints());
  attempt(passage, [&] {
    if (joints == 0) return;
    People& people = passage.people;
    people.joints = static_cast<int>(joints);
    people.keypoints.resize(people.size() * joints * 2);
    people.keypoint_scores.resize(people.size() * joints);
    passage.dropped_heatmaps = backend_->end_poses(
        lane(sequence), {people.keypoints.data(), people.keypoint_scores.data()});
  });
  times().add(Stage::kTotal, StageTimes::Clock::now() - passage.submitted);
}

track::ByteTrack& Pipeline::tracker_of(int stream) {
  if (stream == 0) return *tracker_.tracker;
  while (more_trackers_.size() < static_cast<std::size_t>(stream)) {
    more_trackers_.push_back(std::make_unique<track::ByteTrack>(tracker_.tracker->options()));
  }
  return *more_trackers_[static_cast<std::size_t>(stream) - 1];
}

template <typename Work>
void Pipeline::attempt(Passage& passage, Work work) {
  if (passage.error != nullptr) return;
  try {
    work();
  } catch (...) {
    passage.error = std::current_exception();
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
    const std::uint64_t sequence = left;
    lock.unlock();
    work(sequence);
    lock.lock();
    ++left;
    next.notify_one();
    if (&left == &done_) lane_free_.notify_one();
  }
}

bool Pipeline::wait_for_lane(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return lane_free_.wait_for(lock, timeout, [&] {
    return submitted_ - done_ < lanes_ && submitted_ - collected_ < passages_.size();
  });
}

Passage* Pipeline::wait_for_result(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const bool done = result_ready_.wait_for(lock, timeout, [&] { return collected_ < done_; });
  return done ? &passage(collected_) : nullptr;
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
