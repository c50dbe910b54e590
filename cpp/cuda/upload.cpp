#include "cuda/upload.hpp"

#include <algorithm>
#include <cstring>

#include "parallel.hpp"

namespace edgert::cuda {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{512} << 10;  // a copy's start-up is a few percent
constexpr std::size_t kGrainBytes = std::size_t{64} << 10;   // below, a thread costs more

std::size_t even(int size) {
  return static_cast<std::size_t>(size + 1) / 2 * 2;
}

// Pixels of three bytes, or of four of which the last is none of ours, in the format's order.
bool rows_of_bytes(const FrameView& frame) {
  return !frame.color() || (frame.channel_stride_bytes == 1 && frame.pixel_stride_bytes >= 3 &&
                            frame.pixel_stride_bytes <= 4);
}

}  // namespace

FrameView Upload::to_device(const Picture& picture, StreamView stream) {
  const FrameView& frame = picture.view;
  if (picture.on_device) {
    if (picture.written_on != nullptr) {
      const Event written(device_, Event::Timing::kOff);
      written.record(StreamView(static_cast<StreamHandle>(picture.written_on)));
      stream.wait(written);
    }
    return frame;
  }
  if (!rows_of_bytes(frame)) return gather(frame, stream);
  const Planes planes = planes_of(frame);
  bool page_locked = frame.row_stride_bytes > 0;
  DevicePointer mapped[2] = {0, 0};
  for (std::size_t i = 0; i < planes.size() && page_locked; ++i) {
    if (planes[i].rows == 0) continue;
    mapped[i] = mapped_address(planes[i].data);
    page_locked = mapped[i] != 0;
  }
  if (!page_locked || !device_->integrated()) return copy(frame, planes, page_locked, stream);
  FrameView seen = frame;
  seen.data = reinterpret_cast<const unsigned char*>(mapped[0]);
  seen.chroma = reinterpret_cast<const unsigned char*>(mapped[1]);
  return seen;
}

Upload::Planes Upload::planes_of(const FrameView& frame) {
  const auto width = static_cast<std::size_t>(frame.width);
  const auto height = static_cast<std::size_t>(frame.height);
  const auto stride = static_cast<std::ptrdiff_t>(frame.row_stride_bytes);
  const Plane none{nullptr, 0, 0, 0};
  switch (frame.format) {
    case PixelFormat::kNv12:
      return {Plane{frame.data, width, height, stride},
              Plane{frame.chroma, even(frame.width), (height + 1) / 2,
                    static_cast<std::ptrdiff_t>(frame.chroma_row_stride_bytes)}};
    case PixelFormat::kYuyv:
      return {Plane{frame.data, 2 * even(frame.width), height, stride}, none};
    case PixelFormat::kBgr8:
    case PixelFormat::kRgb8:
      break;
  }
  // A view of four-byte pixels may end with the third byte of its last one.
  const auto step = static_cast<std::size_t>(frame.pixel_stride_bytes);
  return {Plane{frame.data, (width - 1) * step + 3, height, stride}, none};
}

FrameView Upload::copy(const FrameView& frame, const Planes& planes, bool page_locked,
                       StreamView stream) {
  const std::size_t first = planes[0].row_bytes * planes[0].rows;
  unsigned char* target = reserve(first + planes[1].row_bytes * planes[1].rows);
  copy_plane(planes[0], 0, page_locked, stream);
  copy_plane(planes[1], first, page_locked, stream);
  FrameView seen = frame;
  seen.data = target;
  seen.row_stride_bytes = static_cast<long long>(planes[0].row_bytes);
  if (planes[1].rows > 0) {
    seen.chroma = target + first;
    seen.chroma_row_stride_bytes = static_cast<long long>(planes[1].row_bytes);
  }
  return seen;
}

// Packed rows, one after the other, at `offset`.
void Upload::copy_plane(const Plane& plane, std::size_t offset, bool page_locked,
                        StreamView stream) {
  const std::size_t row = plane.row_bytes;
  const bool shared = device_->integrated();
  const bool packed = plane.stride_bytes == static_cast<std::ptrdiff_t>(row);
  if (page_locked && packed && !shared) {
    copy_to_device(pixels_.address() + offset, plane.data, row * plane.rows, stream);
    return;
  }
  auto* staging = static_cast<unsigned char*>(staging_.data()) + offset;
  const std::size_t rows_per_piece =
      std::max<std::size_t>(1, kPieceBytes / std::max(row, std::size_t{1}));
  const std::size_t grain = std::max<std::size_t>(1, kGrainBytes / std::max(row, std::size_t{1}));
  for (std::size_t first = 0; first < plane.rows; first += rows_per_piece) {
    const std::size_t count = std::min(rows_per_piece, plane.rows - first);
    parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
      begin += first, end += first;
      const unsigned char* from =
          plane.data + static_cast<std::ptrdiff_t>(begin) * plane.stride_bytes;
      if (packed) {
        std::memcpy(staging + begin * row, from, (end - begin) * row);
        return;
      }
      for (; begin < end; ++begin, from += plane.stride_bytes) {
        std::memcpy(staging + begin * row, from, row);
      }
    });
    if (!shared) {
      copy_to_device(pixels_.address() + offset + first * row, staging + first * row, count * row,
                     stream);
    }
  }
}

// Colour pixels of any strides, brought to packed ones.
FrameView Upload::gather(const FrameView& frame, StreamView stream) {
  const std::size_t row = 3 * static_cast<std::size_t>(frame.width);
  const auto rows = static_cast<std::size_t>(frame.height);
  FrameView seen = frame;
  seen.data = reserve(row * rows);
  seen.row_stride_bytes = static_cast<long long>(row);
  seen.pixel_stride_bytes = 3;
  seen.channel_stride_bytes = 1;
  auto* staging = static_cast<unsigned char*>(staging_.data());
  parallel_for(rows, std::max<std::size_t>(1, kGrainBytes / row),
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t y = begin; y < end; ++y) {
                   unsigned char* to = staging + y * row;
                   for (int x = 0; x < frame.width; ++x) {
                     const Pixel8 pixel = color_pixel(frame, x, static_cast<int>(y));
                     for (const unsigned char channel : pixel.channel) *to++ = channel;
                   }
                 }
               });
  if (!device_->integrated()) copy_to_device(pixels_.address(), staging, row * rows, stream);
  return seen;
}

// Memory for a frame, where the device reads it.
unsigned char* Upload::reserve(std::size_t bytes) {
  if (staging_.bytes() < bytes) staging_ = HostBuffer(device_, bytes);
  if (device_->integrated()) return reinterpret_cast<unsigned char*>(staging_.address());
  if (pixels_.bytes() < bytes) pixels_ = DeviceBuffer(device_, bytes);
  return static_cast<unsigned char*>(pixels_.data());
}

}  // namespace edgert::cuda
