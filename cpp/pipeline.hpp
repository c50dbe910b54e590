// Frames in, people with skeletons out. A frame passes three stations, each with a thread of its
// own: taking it up (whoever submits it), tracking, and its end. Between them a backend finds boxes
// and joints. So frame i + 1 is detected while frame i is tracked and while frame i - 1 gets its
// poses, whether the backend works inside the calls or beside them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "backend.hpp"
#include "stages/people.hpp"
#include "track/bytetrack.hpp"

namespace edgert {

struct TrackerLeg {
  std::shared_ptr<track::ByteTrack>
      tracker;  // of the first source; the others get their own with its options
  bool untracked = false;
};

// A frame on its way, and in the end its result. Its memory is kept for later frames.
struct Lane {
  Picture picture;
  int stream = 0;
  double time_s = 0;
  StageTimes::Clock::time_point submitted;
  Detections detections;
  People people;
  std::size_t dropped_heatmaps = 0;  // because a value was not finite
  std::exception_ptr error;
};

class Pipeline {
 public:
  // The tracker may be null. `lanes` frames are in flight at most, as many as the backend was made
  // for.
  Pipeline(std::unique_ptr<Backend> backend, TrackerLeg tracker, std::size_t lanes);
  // Waits for the frames that a station is at work on.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Waits for a free lane; false if none was within `timeout`. A frame begun in it is to be
  // submitted.
  bool wait_for_lane(std::chrono::milliseconds timeout);
  // Takes a frame up. The pixels stay the caller's and must live until the frame is collected. What
  // fails is kept and thrown when the frame is collected.
  void submit(const Picture& picture, int stream, double time_s);

  // The oldest frame once it is done, null if it was not within `timeout`; then release() it.
  // Frames come out in the order in which they were submitted.
  Lane* wait_for_result(std::chrono::milliseconds timeout);
  void release();

  // Forgets all tracks. With no frame in flight.
  void reset();
  int in_flight() const;
  const Backend& backend() const { return *backend_; }
  StageTimes& times() { return backend_->times(); }

 private:
  void track(std::size_t index);
  std::span<const float> embed(std::size_t index, double above_score);
  void end_poses(std::size_t index);
  track::ByteTrack& tracker_of(int stream);

  template <typename Work>
  void attend(const std::uint64_t& arrived, std::uint64_t& left, std::condition_variable& arrival,
              std::condition_variable& next, Work work);
  // What a station does to a frame, unless it has failed already; keeps what goes wrong.
  template <typename Work>
  void attempt(Lane& lane, Work work);
  std::size_t index(std::uint64_t sequence) const { return sequence % lanes_.size(); }

  std::unique_ptr<Backend> backend_;
  TrackerLeg tracker_;
  std::vector<std::unique_ptr<track::ByteTrack>>
      more_trackers_;            // of the second source and later ones
  std::vector<float> features_;  // a row a detection

  // Frames are numbered as they are submitted; lane n % lanes holds frame n.
  // collected_ <= done_ <= tracked_ <= submitted_ <= collected_ + lanes
  std::vector<Lane> lanes_;
  mutable std::mutex mutex_;  // the counts
  std::condition_variable lane_free_, to_track_, to_end_, result_ready_;
  std::uint64_t submitted_ = 0, tracked_ = 0, done_ = 0, collected_ = 0;
  bool stopping_ = false;
  std::thread track_thread_, end_thread_;
};

}  // namespace edgert
