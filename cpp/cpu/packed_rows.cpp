#include "cpu/packed_rows.hpp"

#include "scratch.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

constexpr int kChannels = 3;

void gather_color(const FrameView& frame, int begin, int end, int y, std::uint8_t* output) {
  for (int x = begin; x < end; ++x, output += kChannels) {
    const Pixel8 pixel = color_pixel(frame, x, y);
    for (int channel = 0; channel < kChannels; ++channel) output[channel] = pixel.channel[channel];
  }
}

// A run of pixels, an even number of them, each with the chroma of its pair.
constexpr int kRun = 128;
struct Run {
  std::uint8_t y[kRun], u[kRun], v[kRun];
  std::uint8_t red[kRun], green[kRun], blue[kRun];
};

// Loops of fixed length over separate arrays: the compiler makes vectors of each.
EDGERT_MULTIVERSION
void convert(Run& run, const YuvMatrix& matrix, std::uint8_t* __restrict output) {
  for (int i = 0; i < kRun; ++i) {
    const Rgb8 pixel = yuv_to_rgb(run.y[i], run.u[i], run.v[i], matrix);
    run.red[i] = pixel.red, run.green[i] = pixel.green, run.blue[i] = pixel.blue;
  }
  for (int i = 0; i < kRun; ++i) {
    output[3 * i] = run.blue[i];
    output[3 * i + 1] = run.green[i];
    output[3 * i + 2] = run.red[i];
  }
}

EDGERT_MULTIVERSION
void split_nv12(const std::uint8_t* __restrict luma, const std::uint8_t* __restrict chroma,
                Run& run) {
  for (int i = 0; i < kRun; ++i) run.y[i] = luma[i];
  for (int i = 0; i < kRun / 2; ++i) {
    run.u[2 * i] = run.u[2 * i + 1] = chroma[2 * i];
    run.v[2 * i] = run.v[2 * i + 1] = chroma[2 * i + 1];
  }
}

EDGERT_MULTIVERSION
void split_yuyv(const std::uint8_t* __restrict pairs, Run& run) {
  for (int i = 0; i < kRun; ++i) run.y[i] = pairs[2 * i];
  for (int i = 0; i < kRun / 2; ++i) {
    run.u[2 * i] = run.u[2 * i + 1] = pairs[4 * i + 1];
    run.v[2 * i] = run.v[2 * i + 1] = pairs[4 * i + 3];
  }
}

// Whole runs from an even column on; pixel by pixel before and after them.
void gather_video(const FrameView& frame, int begin, int end, int y, std::uint8_t* output) {
  const bool nv12 = frame.format == PixelFormat::kNv12;
  const std::uint8_t* luma = frame.data + y * frame.row_stride_bytes;
  const std::uint8_t* chroma =
      nv12 ? frame.chroma + (y >> 1) * frame.chroma_row_stride_bytes : nullptr;
  Run run;
  for (int x = begin; x < end;) {
    if ((x & 1) == 0 && end - x >= kRun) {
      if (nv12) {
        split_nv12(luma + x, chroma + x, run);
      } else {
        split_yuyv(luma + 2 * x, run);
      }
      convert(run, frame.matrix, output);
      x += kRun, output += kChannels * kRun;
    } else {
      const Rgb8 pixel = nv12 ? nv12_pixel(frame, x, y) : yuyv_pixel(frame, x, y);
      output[0] = pixel.blue, output[1] = pixel.green, output[2] = pixel.red;
      ++x, output += kChannels;
    }
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
    case PixelFormat::kYuyv:
      return gather_video(frame_, begin_, end_, y, output);
  }
}

}  // namespace edgert::cpu
