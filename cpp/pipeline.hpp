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
struct Passage {
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

  // Takes the next frame in, whether a lane is free for it or not. The pixels stay the caller's and
  // must live until the frame is collected. What fails is kept and thrown when it is collected.
  void take_in(const Picture& picture);
  // Waits for a free lane; false if none was within `timeout`.
  bool wait_for_lane(std::chrono::milliseconds timeout);
  // Sends the frame that was taken in on its way through the free lane.
  void submit(int stream, double time_s);

  // The oldest frame once it is done, null if it was not within `timeout`; then release() it.
  // Frames come out in the order in which they were submitted.
  Passage* wait_for_result(std::chrono::milliseconds timeout);
  void release();

  // Forgets all tracks. With no frame in flight.
  void reset();
  int in_flight() const;
  const Backend& backend() const { return *backend_; }
  StageTimes& times() { return backend_->times(); }

 private:
  void track(std::uint64_t sequence);
  std::span<const float> embed(std::uint64_t sequence, double above_score);
  void end_poses(std::uint64_t sequence);
  track::ByteTrack& tracker_of(int stream);

  template <typename Work>
  void attend(const std::uint64_t& arrived, std::uint64_t& left, std::condition_variable& arrival,
              std::condition_variable& next, Work work);
  // What a station does to a frame, unless it has failed already; keeps what goes wrong.
  template <typename Work>
  void attempt(Passage& passage, Work work);
  std::size_t lane(std::uint64_t sequence) const { return sequence % lanes_; }
  std::size_t slot(std::uint64_t sequence) const { return sequence % passages_.size(); }
  Passage& passage(std::uint64_t sequence) { return passages_[slot(sequence)]; }

  std::unique_ptr<Backend> backend_;
  TrackerLeg tracker_;
  std::vector<std::unique_ptr<track::ByteTrack>>
      more_trackers_;            // of the second source and later ones
  std::vector<float> features_;  // a row a detection

  // Frames are numbered as they are submitted; lane n % lanes works on frame n. One frame more is
  // held: one that waits for its lane, and whose result may wait for whoever collects it.
  // collected_ <= done_ <= tracked_ <= submitted_ <= done_ + lanes, collected_ + lanes + 1
  std::size_t lanes_;
  std::vector<Passage> passages_;
  std::exception_ptr taken_in_;  // what became of the frame that was taken in last
  mutable std::mutex mutex_;     // the counts
  std::condition_variable lane_free_, to_track_, to_end_, result_ready_;
  std::uint64_t submitted_ = 0, tracked_ = 0, done_ = 0, collected_ = 0;
  bool stopping_ = false;
  std::thread track_thread_, end_thread_;
};

}  // namespace edgert
