#include "cpu/packed_rows.hpp"

#include "scratch.hpp"

namespace edgert::cpu {
namespace {

constexpr int kChannels = 3;

void gather_color(const FrameView& frame, int begin, int end, int y, std::uint8_t* output) {
  for (int x = begin; x < end; ++x, output += kChannels) {
    const Pixel8 pixel = color_pixel(frame, x, y);
    for (int channel = 0; channel < kChannels; ++channel) output[channel] = pixel.channel[channel];
  }
}

template <typename PixelAt>
void gather_video(int begin, int end, PixelAt pixel_at, std::uint8_t* output) {
  for (int x = begin; x < end; ++x, output += kChannels) {
    const Rgb8 pixel = pixel_at(x);
    output[0] = pixel.blue, output[1] = pixel.green, output[2] = pixel.red;
  }
}

}  // namespace

PackedRows::PackedRows(const FrameView& frame, int begin, int end,
                       std::vector<std::uint8_t>& memory)
    : frame_(frame), begin_(begin), end_(end), memory_(memory) {
  if (!frame.packed_pixels() && end > begin)
    reserve(memory, 2 * kChannels * static_cast<std::size_t>(end - begin));
}

const std::uint8_t* PackedRows::row(int y) {
  if (frame_.packed_pixels())
    return frame_.data + y * frame_.row_stride_bytes + begin_ * frame_.pixel_stride_bytes;
  const int half = y & 1;
  std::uint8_t* output = memory_.data() + half * kChannels * (end_ - begin_);
  if (gathered_[half] != y) gather(y, output);
  gathered_[half] = y;
  return output;
}

void PackedRows::gather(int y, std::uint8_t* output) const {
  switch (frame_.format) {
    case PixelFormat::kBgr8:
    case PixelFormat::kRgb8:
      return gather_color(frame_, begin_, end_, y, output);
    case PixelFormat::kNv12:
      return gather_video(begin_, end_, [&](int x) { return nv12_pixel(frame_, x, y); }, output);
    case PixelFormat::kYuyv:
      return gather_video(begin_, end_, [&](int x) { return yuyv_pixel(frame_, x, y); }, output);
  }
}

}  // namespace edgert::cpu
