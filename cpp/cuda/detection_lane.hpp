// Frame -> boxes on the device, for one lane: letterbox, detector, decoding and suppression in one
// replay, the boxes written straight to where the host reads them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cuda/kernels.hpp"
#include "cuda/memory.hpp"
#include "cuda/network.hpp"
#include "cuda/recording.hpp"
#include "cuda/wait.hpp"
#include "legs.hpp"
#include "stage_times.hpp"
#include "stages/rows.hpp"

namespace edgert::cuda {

class DetectionLane {
 public:
  DetectionLane(const Kernels& kernels, const Stream& stream, const Network& network,
                const DetectorLeg& leg, bool graphs);
  DetectionLane(const DetectionLane&) = delete;
  DetectionLane& operator=(const DetectionLane&) = delete;

  // `frame` as the device sees it.
  void begin(const FrameView& frame);
  void wait() { wait_.until(done_); }
  // Once it is done.
  void read(Detections& detections);
  void add_times(StageTimes& times) const;

  const std::string& why_not_recorded() const { return recording_.why_not(); }

 private:
  void enqueue(Capture* capture);
  void read_boxes(Detections& detections) const;

  const Kernels& kernels_;
  const Stream& stream_;
  const DetectorLeg& leg_;
  BoundNetwork network_;
  DeviceBuffer wanted_classes_, scratch_;
  HostBuffer result_;  // boxes; of a head that chooses them itself, its output
  RowReader rows_;
  Affine to_frame_;
  std::optional<Kernels::Letterbox> letterbox_;  // of the frame that is under way
  KernelNode letterbox_node_;
  Recording recording_;
  Event begun_, prepared_, detected_, decoded_;  // the stages' borders
  Event done_;
  Wait wait_;
};

}  // namespace edgert::cuda
