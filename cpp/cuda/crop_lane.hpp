// People -> a network's output on the device, for one lane: crops straight from the full frame, the
// network, and what reads its output, in one replay for each batch size.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "cuda/kernels.hpp"
#include "cuda/memory.hpp"
#include "cuda/network.hpp"
#include "cuda/recording.hpp"
#include "cuda/replay.hpp"
#include "cuda/wait.hpp"
#include "stage_times.hpp"

namespace edgert::cuda {

class CropLane {
 public:
  // Enqueues what reads the first `batch` items of the outputs into memory that the host reads.
  using ReadOut = std::function<void(const BoundNetwork& network, int batch)>;

  CropLane(const Kernels& kernels, const Stream& stream, const Network& network,
           const Normalization& normalization, CropKind kind, double padding, ReadOut read_out,
           bool graphs);
  CropLane(const CropLane&) = delete;
  CropLane& operator=(const CropLane&) = delete;

  int max_batch() const { return network_.max_batch(); }
  const BoundNetwork& network() const { return network_; }

  // 1 to max_batch() boxes in frame pixels; `frame` as the device sees it; `timed`: its stages are.
  void begin(const FrameView& frame, std::span<const Box> boxes, bool timed);
  struct Times {
    float crop_ms = 0, network_ms = 0, read_out_ms = 0;
  };
  void wait() { wait_.until(done_); }
  // What it took, once it is done, where it is timed.
  Times times() const;

  // Of any batch size; empty where all that ran were recorded.
  std::string why_not_recorded() const;

 private:
  using Key = std::pair<int, bool>;  // size of the batch, timed
  Replay<Kernels::Crops>& work_of(Key key);
  void enqueue(Key key, Capture* capture);

  const Kernels& kernels_;
  const Stream& stream_;
  Normalization normalization_;
  CropKind kind_;
  double padding_;
  ReadOut read_out_;
  bool graphs_;
  BoundNetwork network_;
  HostBuffer boxes_;  // of one batch, frame pixels
  std::map<Key, Replay<Kernels::Crops>> works_;
  Borders<4> borders_;
  Event done_;
  Wait wait_;
};

}  // namespace edgert::cuda
