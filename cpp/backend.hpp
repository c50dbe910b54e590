// What a device does for a frame between the host's decisions: find boxes, describe people, find
// their joints. cpu/ does it while it is asked to, cuda/ while the host does something else.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "stage_times.hpp"
#include "stages/detect.hpp"
#include "stages/frame.hpp"

namespace edgert {

// A frame and where its pixels are.
struct Picture {
  FrameView view;
  bool on_device = false;      // in the memory of the device that the backend works on
  void* written_on = nullptr;  // the device's stream that may still be writing it; null: none
};

// Where poses go: (people, joints, 2) frame pixels and (people, joints).
struct Poses {
  float* keypoints;
  float* scores;
};

// `lane` tells the frames that are worked on apart, and `slot`, of which there is one more, their
// pixels. Of one frame the calls come in the order in which they stand here, of one function one at
// a time; different functions are called by different threads.
class Backend {
 public:
  virtual ~Backend() = default;

  // Takes a frame in, while all lanes may be at work. Its pixels stay as they are until the frame
  // is through.
  virtual void take_in(std::size_t slot, const Picture& picture) = 0;
  virtual void begin_detection(std::size_t lane, std::size_t slot) = 0;
  // Waits for its boxes.
  virtual void end_detection(std::size_t lane, Detections& detections) = 0;

  // feature_width() values for each box, valid until the next call.
  virtual std::span<const float> embed(std::size_t lane, std::span<const Box> boxes) = 0;

  virtual void begin_poses(std::size_t lane, std::span<const Box> boxes) = 0;
  // Waits for them. Returns how many heatmaps were dropped because a value was not finite.
  virtual std::size_t end_poses(std::size_t lane, Poses poses) = 0;

  // Joints that end_poses() gives; 0 without a pose network.
  virtual int pose_joints() const = 0;
  // Joints that detections come with, of a one-stage pose model.
  virtual int detector_joints() const = 0;
  // Values that describe a person; 0 without an appearance network.
  virtual std::size_t feature_width() const = 0;

  // Why work that could be replayed is enqueued step by step instead; empty where it is not so.
  virtual std::string why_not_recorded() const { return {}; }

  StageTimes& times() { return times_; }

 private:
  StageTimes times_;
};

}  // namespace edgert
