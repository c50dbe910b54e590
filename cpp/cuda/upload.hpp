// The way of a frame's pixels from where the caller has them to where the device reads them.
#pragma once

#include <memory>

#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "cuda/stream.hpp"
#include "stages/frame.hpp"

namespace edgert::cuda {

// One lane's. Keeps its memory while frames do not grow.
class Upload {
 public:
  explicit Upload(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // The frame as the device sees it, once `stream` is that far. The caller's pixels may change
  // as soon as the stream has done the copy.
  //   On the device already: as it is; `stream` waits for the stream that wrote it.
  //   Page-locked: a copy straight from there, or no copy where host and device share memory.
  //   Anything else: through page-locked memory, in pieces, so that both copies overlap; without
  //   the second where memory is shared.
  FrameView to_device(const FrameView& frame, StreamView stream);

 private:
  FrameView stage(const FrameView& frame, StreamView stream);
  void reserve(std::size_t bytes);

  std::shared_ptr<Device> device_;
  HostBuffer staging_;
  DeviceBuffer pixels_;  // none where memory is shared
};

}  // namespace edgert::cuda
