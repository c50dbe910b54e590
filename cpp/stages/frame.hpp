// A frame as its owner holds it: 8-bit colour pixels of any layout in memory. Never owns, never
// copies.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgert {

// BGR, 8 bits a channel. Strides are in bytes and may be negative or 0 (a mirrored or a grey
// image).
struct FrameView {
  const std::uint8_t* data = nullptr;
  int width = 0;
  int height = 0;
  std::ptrdiff_t row_stride_bytes = 0;
  std::ptrdiff_t pixel_stride_bytes = 3;
  std::ptrdiff_t channel_stride_bytes = 1;
  bool on_device = false;      // `data` is an address of the device that the pipeline works on
  void* written_on = nullptr;  // the device's stream that may still be writing it; null: none

  bool packed_pixels() const { return pixel_stride_bytes == 3 && channel_stride_bytes == 1; }
};

}  // namespace edgert
