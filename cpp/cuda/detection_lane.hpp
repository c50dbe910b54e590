// Frame -> boxes on the device, for one lane: letterbox, detector, decoding and suppression in one
// replay, the boxes written straight to where the host reads them.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "cuda/kernels.hpp"
#include "cuda/memory.hpp"
#include "cuda/network.hpp"
#include "cuda/recording.hpp"
#include "cuda/replay.hpp"
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

  // `frame` as the device sees it; `timed`: its stages are.
  void begin(const FrameView& frame, bool timed);
  void wait() { wait_.until(done_); }
  // Once it is done.
  void read(Detections& detections);
  // Once it is done, of a frame that is timed.
  void add_times(StageTimes& times) const;

  const std::string& why_not_recorded() const;

 private:
  void enqueue(bool timed, Capture* capture);
  void read_boxes(Detections& detections) const;

  const Kernels& kernels_;
  const Stream& stream_;
  const DetectorLeg& leg_;
  BoundNetwork network_;
  DeviceBuffer wanted_classes_, scratch_;
  HostBuffer result_;  // boxes; of a head that chooses them itself, its output
  RowReader rows_;
  Affine to_frame_;
  std::array<Replay<Kernels::Letterbox>, 2> works_;  // not timed, timed
  Borders<4> borders_;
  Event done_;
  Wait wait_;
};

}  // namespace edgert::cuda
