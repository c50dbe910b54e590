// The host's backend: memory is ordinary memory, and work is done by whoever asks for it. So the
// detector works in begin_detection(), the pose network in end_poses(): two threads, two legs.
#pragma once

#include <memory>
#include <vector>

#include "backend.hpp"
#include "cpu/outputs.hpp"
#include "engine.hpp"
#include "legs.hpp"
#include "stages/affine.hpp"
#include "stages/rows.hpp"

namespace edgert::cpu {

// One network for all lanes, used by one thread.
template <typename Leg>
struct Network {
  std::unique_ptr<Engine> engine;
  Leg leg;
};

class CpuBackend final : public Backend {
 public:
  // The engines of `reid` and `pose` may be null. Outputs of the pose network: heatmaps, then
  // offsets where it has them.
  CpuBackend(Network<DetectorLeg> detector, Network<ReidLeg> reid, Network<PoseLeg> pose,
             std::size_t lanes);

  void take_in(std::size_t slot, const Picture& picture) override { frames_[slot] = picture.view; }
  void begin_detection(std::size_t lane, std::size_t slot) override;
  void end_detection(std::size_t lane, Detections& detections) override;
  std::span<const float> embed(std::size_t lane, std::span<const Box> boxes) override;
  void begin_poses(std::size_t lane, std::span<const Box> boxes) override;
  std::size_t end_poses(std::size_t lane, Poses poses) override;
  int pose_joints() const override;
  int detector_joints() const override { return detector_.leg.joints; }
  std::size_t feature_width() const override;

 private:
  struct Lane {
    FrameView frame;
    Detections detections;
    std::span<const Box> people;
  };

  Network<DetectorLeg> detector_;
  Network<ReidLeg> reid_;
  Network<PoseLeg> pose_;
  std::vector<FrameView> frames_;  // a slot
  std::vector<Lane> lanes_;

  OutputReader boxes_reader_, joints_reader_;
  RowReader rows_reader_;
  std::vector<Placement> reid_placements_;  // of the crops of one batch
  std::vector<float> features_;             // a row a box
  std::vector<Placement> placements_;       // of the crops of one pose batch
  std::vector<Affine> to_frame_;
};

}  // namespace edgert::cpu
