// The GPU's backend: each lane has a stream, and networks, memory and recordings of its own, so
// that frames in flight meet nowhere. The host enqueues and goes on; it waits where it needs boxes
// or joints.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend.hpp"
#include "cuda/crop_lane.hpp"
#include "cuda/detection_lane.hpp"
#include "cuda/kernels.hpp"
#include "cuda/upload.hpp"
#include "legs.hpp"

namespace edgert::cuda {

// What runs on the device, and how it is fed and read.
struct Networks {
  Network detector;
  DetectorLeg detector_leg;
  std::optional<Network> reid;
  ReidLeg reid_leg;
  std::optional<Network> pose;  // outputs: heatmaps, then offsets where it has them
  PoseLeg pose_leg;
};

class CudaBackend final : public Backend {
 public:
  // Binds and warms every network for every lane. With `graphs` false everything is enqueued step
  // by step.
  CudaBackend(std::shared_ptr<const Kernels> kernels, std::shared_ptr<Device> device,
              Networks networks, std::size_t lanes, bool graphs);
  ~CudaBackend() override;

  void take_in(std::size_t slot, const Picture& picture) override;
  void begin_detection(std::size_t lane, std::size_t slot) override;
  void end_detection(std::size_t lane, Detections& detections) override;
  std::span<const float> embed(std::size_t lane, std::span<const Box> boxes) override;
  void begin_poses(std::size_t lane, std::span<const Box> boxes) override;
  std::size_t end_poses(std::size_t lane, Poses poses) override;
  int pose_joints() const override;
  int detector_joints() const override { return networks_.detector_leg.joints; }
  std::size_t feature_width() const override;

  std::string why_not_recorded() const override;

 private:
  // A frame's pixels.
  struct Slot {
    explicit Slot(const std::shared_ptr<Device>& device);

    Upload upload;
    Event begun, done;
    bool copied = false;
    FrameView frame;  // as the device sees it
  };
  struct Lane {
    Lane(const Kernels& kernels, std::shared_ptr<Device> device, const Networks& networks,
         bool graphs);

    Stream stream;
    const Slot* slot = nullptr;  // the frame's
    Stopwatch host;              // of the frame
    unsigned frames = 0;         // begun
    bool timed = false;          // the stages of the frame are
    DetectionLane detection;
    HostBuffer features;  // of one batch
    std::optional<CropLane> reid;
    HostBuffer joints;  // of one batch
    std::optional<CropLane> pose;
    std::span<const Box> people;
  };
  void add_detection_times(Lane& lane);
  void read_joints(const Lane& lane, std::span<const Box> boxes, float* keypoints, float* scores,
                   std::size_t& dropped) const;

  std::shared_ptr<Device> device_;
  std::shared_ptr<const Kernels> kernels_;
  Networks networks_;
  Stream uploads_;  // beside the lanes': a frame comes in while the one before is worked on
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<float> features_;  // a row a box
};

}  // namespace edgert::cuda
