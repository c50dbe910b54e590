// The way of a frame's pixels from where the caller has them to where the device reads them.
#pragma once

#include <array>
#include <memory>

#include "backend.hpp"
#include "cuda/device.hpp"
#include "cuda/memory.hpp"
#include "cuda/stream.hpp"

namespace edgert::cuda {

// One lane's. Keeps its memory while frames do not grow.
class Upload {
 public:
  explicit Upload(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // The frame as the device sees it, once `stream` is that far. The caller's pixels may change
  // as soon as the stream has done the copy.
  //   On the device already: as it is; `stream` waits for the stream that wrote it.
  //   Page-locked: a copy straight from there, or none where host and device share memory.
  //   Anything else: through page-locked memory, in pieces, so that the two copies overlap;
  //   without the second where memory is shared.
  FrameView to_device(const Picture& picture, StreamView stream);

 private:
  // Rows of bytes that follow each other.
  struct Plane {
    const unsigned char* data;
    std::size_t row_bytes, rows;
    std::ptrdiff_t stride_bytes;
  };
  using Planes = std::array<Plane, 2>;  // the second is empty but for NV12

  FrameView copy(const FrameView& frame, const Planes& planes, bool page_locked, StreamView stream);
  FrameView gather(const FrameView& frame, StreamView stream);
  void copy_plane(const Plane& plane, std::size_t offset, bool page_locked, StreamView stream);
  unsigned char* reserve(std::size_t bytes);
  static Planes planes_of(const FrameView& frame);

  std::shared_ptr<Device> device_;
  HostBuffer staging_;
  DeviceBuffer pixels_;  // none where memory is shared
};

}  // namespace edgert::cuda
