// A recording whose first launch has other arguments for every frame.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "cuda/recording.hpp"

namespace edgert::cuda {

// `Launch` is a Prepared of kernels.hpp.
template <typename Launch>
class Replay {
 public:
  Replay(const Stream& stream, Recording::Work work, bool graphs)
      : recording_(stream, std::move(work), graphs) {}

  // Runs the work with `wanted` as its launch; records anew where it cannot take the other's place.
  void run(const Launch& wanted) {
    if (recording_.recorded() && !(launch_ && wanted.replaces(*launch_))) recording_.forget();
    launch_.emplace(wanted);
    if (recording_.recorded()) launch_->update(recording_.graph(), node_);
    recording_.run();
  }
  // For the work: its launch.
  void enqueue(StreamView stream, const Capture* capture) {
    launch_->enqueue(stream);
    if (capture != nullptr) node_ = capture->last_kernel();
  }
  const std::string& why_not() const { return recording_.why_not(); }

 private:
  Recording recording_;
  std::optional<Launch> launch_;  // of the frame that is under way
  KernelNode node_;
};

}  // namespace edgert::cuda
