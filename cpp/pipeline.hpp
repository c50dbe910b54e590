// Frames in, people with skeletons out. A frame passes two legs: detection (letterbox, network,
// boxes, tracker) on the thread that submits it, and pose (crops, network, keypoints) on a thread
// of the pipeline's own. So frame i + 1 is detected and tracked while frame i gets its poses.
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
#include "engine.hpp"
#include "stage_times.hpp"
#include "stages/people.hpp"
#include "track/bytetrack.hpp"

namespace edgert {

struct DetectorLeg {
  std::unique_ptr<Engine> engine;
  Normalization normalization;
  int classes = 0;
  BoxFilter filter;
  int joints = 0;  // of a one-stage pose model
};

struct PoseLeg {
  std::unique_ptr<Engine> engine;  // outputs: heatmaps, then offsets where the model has them
  Normalization normalization;
  HeatmapLayout layout;
  double padding = 1.25;
};

// An appearance network: a person's crop in, a feature vector out.
struct ReidLeg {
  std::unique_ptr<Engine> engine;
  Normalization normalization;
  double padding = 1;
};

struct TrackerLeg {
  std::shared_ptr<track::ByteTrack>
      tracker;  // of the first source; the others get their own with its options
  bool untracked = false;
};

// A frame on its way, and in the end its result. Its memory is kept for later frames.
struct Lane {
  FrameView frame;
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
  // The engines of `reid` and `pose` and the tracker may be null. `lanes` frames are in flight at
  // most.
  Pipeline(std::unique_ptr<Backend> backend, DetectorLeg detector, ReidLeg reid, TrackerLeg tracker,
           PoseLeg pose, int lanes);
  // Waits for the frame in the pose leg.
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Waits for a free lane; false if none was within `timeout`. A frame begun in it is to be
  // submitted.
  bool wait_for_lane(std::chrono::milliseconds timeout);
  // Detects and tracks, and leaves the rest to the pose leg. The pixels stay the caller's and must
  // live until the frame is collected. What fails is kept and thrown when the frame is collected.
  void submit(const FrameView& frame, int stream, double time_s);

  // The oldest frame once it is done, null if it was not within `timeout`; then release() it.
  // Frames come out in the order in which they were submitted.
  Lane* wait_for_result(std::chrono::milliseconds timeout);
  void release();

  // Forgets all tracks. With no frame in flight.
  void reset();
  int in_flight() const;
  StageTimes& times() { return times_; }

 private:
  void detect(Lane& lane);
  std::span<const float> embed(const Lane& lane, double above_score);
  void track(Lane& lane);
  void estimate_poses(Lane& lane);
  track::ByteTrack& tracker_of(int stream);
  void run_pose_leg();
  void finish(Lane& lane);
  Lane& lane(std::uint64_t sequence) { return lanes_[sequence % lanes_.size()]; }

  std::unique_ptr<Backend> backend_;
  DetectorLeg detector_;
  ReidLeg reid_;
  TrackerLeg tracker_;
  PoseLeg pose_;

  std::vector<std::unique_ptr<track::ByteTrack>>
      more_trackers_;                       // of the second source and later ones
  std::vector<Placement> reid_placements_;  // of the crops of one batch
  std::vector<float> features_;             // a row a detection
  std::vector<Placement> placements_;       // of the crops of one pose batch
  std::vector<Affine> to_frame_;
  StageTimes times_;

  // Frames are numbered as they are submitted; lane n % lanes holds frame n.
  // collected_ <= done_ <= detected_ <= collected_ + lanes
  std::vector<Lane> lanes_;
  mutable std::mutex mutex_;  // the members below
  std::condition_variable changed_;
  std::uint64_t detected_ = 0, done_ = 0, collected_ = 0;
  bool stopping_ = false;
  std::thread pose_thread_;
};

}  // namespace edgert
