#include "cuda/upload.hpp"

#include <algorithm>
#include <cstring>

#include "parallel.hpp"

namespace edgert::cuda {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{512} << 10;  // a copy's start-up is a few percent
constexpr std::size_t kGrainBytes = std::size_t{64} << 10;

// Rows that can be copied as they are: pixels of three or four bytes, blue first.
bool copyable_rows(const FrameView& frame) {
  return frame.channel_stride_bytes == 1 && frame.pixel_stride_bytes >= 3 &&
         frame.pixel_stride_bytes <= 4;
}

std::size_t row_bytes(const FrameView& frame) {
  return static_cast<std::size_t>(frame.width) *
         (copyable_rows(frame) ? static_cast<std::size_t>(frame.pixel_stride_bytes)
                               : std::size_t{3});
}

void copy_row(const FrameView& frame, std::size_t y, std::uint8_t* to) {
  const std::uint8_t* pixel = frame.data + static_cast<std::ptrdiff_t>(y) * frame.row_stride_bytes;
  if (copyable_rows(frame)) {
    // The last pixel of a view of four-byte pixels ends with its third byte.
    std::memcpy(to, pixel,
                row_bytes(frame) - static_cast<std::size_t>(frame.pixel_stride_bytes) + 3);
    return;
  }
  for (int x = 0; x < frame.width; ++x, pixel += frame.pixel_stride_bytes) {
    for (int channel = 0; channel < 3; ++channel)
      *to++ = pixel[channel * frame.channel_stride_bytes];
  }
}

}  // namespace

FrameView Upload::to_device(const FrameView& frame, StreamView stream) {
  if (!frame.on_device) {
    const DevicePointer mapped =
        copyable_rows(frame) && frame.row_stride_bytes > 0 ? mapped_address(frame.data) : 0;
    if (mapped == 0) return stage(frame, stream);
    FrameView seen = frame;
    seen.on_device = true;
    if (device_->integrated()) {
      seen.data = reinterpret_cast<const std::uint8_t*>(mapped);
      return seen;
    }
    const std::size_t bytes = static_cast<std::size_t>(frame.row_stride_bytes) *
                                  static_cast<std::size_t>(frame.height - 1) +
                              row_bytes(frame) -
                              static_cast<std::size_t>(frame.pixel_stride_bytes) + 3;
    reserve(bytes);
    copy_to_device(pixels_.address(), frame.data, bytes, stream);
    seen.data = static_cast<const std::uint8_t*>(pixels_.data());
    return seen;
  }
  if (frame.written_on != nullptr) {
    Event written(device_, Event::Timing::kOff);
    written.record(StreamView(static_cast<StreamHandle>(frame.written_on)));
    stream.wait(written);
  }
  return frame;
}

FrameView Upload::stage(const FrameView& frame, StreamView stream) {
  const std::size_t row = row_bytes(frame), rows = static_cast<std::size_t>(frame.height);
  const std::size_t bytes = row * rows;
  if (staging_.bytes() < bytes) staging_ = HostBuffer(device_, bytes);
  auto* staging = static_cast<std::uint8_t*>(staging_.data());
  if (!device_->integrated()) reserve(bytes);

  const std::size_t rows_per_piece = std::max<std::size_t>(1, kPieceBytes / row);
  const std::size_t grain = std::max<std::size_t>(1, kGrainBytes / row);
  for (std::size_t first = 0; first < rows; first += rows_per_piece) {
    const std::size_t count = std::min(rows_per_piece, rows - first);
    parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t y = first + begin; y < first + end; ++y)
        copy_row(frame, y, staging + y * row);
    });
    if (!device_->integrated()) {
      copy_to_device(pixels_.address() + first * row, staging + first * row, count * row, stream);
    }
  }

  FrameView seen;
  seen.data = device_->integrated() ? reinterpret_cast<const std::uint8_t*>(staging_.address())
                                    : static_cast<const std::uint8_t*>(pixels_.data());
  seen.width = frame.width;
  seen.height = frame.height;
  seen.pixel_stride_bytes = static_cast<std::ptrdiff_t>(row) / frame.width;
  seen.row_stride_bytes = static_cast<std::ptrdiff_t>(row);
  seen.channel_stride_bytes = 1;
  seen.on_device = true;
  return seen;
}

void Upload::reserve(std::size_t bytes) {
  if (pixels_.bytes() < bytes) pixels_ = DeviceBuffer(device_, bytes);
}

}  // namespace edgert::cuda
