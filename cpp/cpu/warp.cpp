#include "cpu/warp.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "cpu/packed_rows.hpp"
#include "half.h"
#include "parallel.hpp"
#include "scratch.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

constexpr int kChannels = 3;
constexpr int kLanes = 8;       // output pixels a step of blend_columns
constexpr int kGrainRows = 16;  // below this a second thread costs more than it brings

// Memory of one thread, kept from frame to frame.
struct Scratch {
  std::vector<float> row;  // two source rows blended, channels interleaved, border pixels included
  std::vector<std::uint8_t> packed;  // two source rows, of frames that are not packed colour
  std::vector<std::uint8_t> black;   // a source row of zeros, never written
  std::vector<int> offsets;          // per output column: where its left tap begins in `row`
  std::vector<float> weights;        // per output column: the share of its right tap
  std::vector<float> planes;         // one output row, three planes of whole steps
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

EDGERT_MULTIVERSION
void blend_rows(const std::uint8_t* __restrict upper, const std::uint8_t* __restrict lower,
                float weight, int count, float* __restrict output) {
  for (int i = 0; i < count; ++i) {
    const float a = static_cast<float>(upper[i]);
    output[i] = lerp(a, static_cast<float>(lower[i]), weight);
  }
}

// Eight output columns a step: blend each pixel's two taps as a group of B, G, R and a fourth value
// that is never used, then turn eight groups into three planes. `width` is a multiple of kLanes.
EDGERT_MULTIVERSION
void blend_columns(const float* row, const int* offsets, const float* weights, int width,
                   const Normalization& n, float* __restrict red, float* __restrict green,
                   float* __restrict blue) {
  for (int x = 0; x < width; x += kLanes) {
    Float8 w;
    std::memcpy(&w, weights + x, sizeof(w));
    // Pixels i and i + 4 share a vector, so that the transposition stays inside its 128-bit halves.
    const Float8 weight[4] = {__builtin_shufflevector(w, w, 0, 0, 0, 0, 4, 4, 4, 4),
                              __builtin_shufflevector(w, w, 1, 1, 1, 1, 5, 5, 5, 5),
                              __builtin_shufflevector(w, w, 2, 2, 2, 2, 6, 6, 6, 6),
                              __builtin_shufflevector(w, w, 3, 3, 3, 3, 7, 7, 7, 7)};
    Float8 pixel[4];
    for (int i = 0; i < 4; ++i) {
      const float* first = row + offsets[x + i];
      const float* second = row + offsets[x + i + 4];
      Float4 part[4];
      std::memcpy(&part[0], first, sizeof(Float4));
      std::memcpy(&part[1], second, sizeof(Float4));
      std::memcpy(&part[2], first + kChannels, sizeof(Float4));
      std::memcpy(&part[3], second + kChannels, sizeof(Float4));
      const Float8 left = __builtin_shufflevector(part[0], part[1], 0, 1, 2, 3, 4, 5, 6, 7);
      const Float8 right = __builtin_shufflevector(part[2], part[3], 0, 1, 2, 3, 4, 5, 6, 7);
      pixel[i] = left + weight[i] * (right - left);
    }
    const Float8 bg01 = __builtin_shufflevector(pixel[0], pixel[1], 0, 8, 1, 9, 4, 12, 5, 13);
    const Float8 bg23 = __builtin_shufflevector(pixel[2], pixel[3], 0, 8, 1, 9, 4, 12, 5, 13);
    const Float8 r01 = __builtin_shufflevector(pixel[0], pixel[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const Float8 r23 = __builtin_shufflevector(pixel[2], pixel[3], 2, 10, 3, 11, 6, 14, 7, 15);
    const Float8 b = __builtin_shufflevector(bg01, bg23, 0, 1, 8, 9, 4, 5, 12, 13);
    const Float8 g = __builtin_shufflevector(bg01, bg23, 2, 3, 10, 11, 6, 7, 14, 15);
    const Float8 r = __builtin_shufflevector(r01, r23, 0, 1, 8, 9, 4, 5, 12, 13);
    const Float8 normalized[3] = {r * n.gain[0] + n.bias[0], g * n.gain[1] + n.bias[1],
                                  b * n.gain[2] + n.bias[2]};
    std::memcpy(red + x, &normalized[0], sizeof(Float8));
    std::memcpy(green + x, &normalized[1], sizeof(Float8));
    std::memcpy(blue + x, &normalized[2], sizeof(Float8));
  }
}

EDGERT_MULTIVERSION
void convert(const float* __restrict values, int count, std::uint16_t* __restrict halves) {
  for (int i = 0; i < count; ++i) halves[i] = to_half(values[i]);
}

EDGERT_MULTIVERSION
void convert(const float* __restrict values, int count, std::int8_t* __restrict bytes) {
  for (int i = 0; i < count; ++i) bytes[i] = to_int8(values[i]);
}

void convert(const float* values, int count, float* output) {
  std::memcpy(output, values, static_cast<std::size_t>(count) * sizeof(float));
}

template <typename T>
void fill(float value, int count, T* output) {
  T converted;
  convert(&value, 1, &converted);
  std::fill_n(output, count, converted);
}

// Warps the rows of one placement that fall to one thread. `T` is float, std::uint16_t for half
// bits, or std::int8_t.
template <typename T>
class RowWarper {
 public:
  RowWarper(const FrameView& frame, const Warp& warp, const Normalization& normalization, T* output,
            int output_width, int output_height)
      : frame_(frame),
        warp_(warp),
        normalization_(normalization),
        in_order_(normalization),
        output_(output),
        output_width_(output_width),
        plane_(static_cast<std::size_t>(output_width) * static_cast<std::size_t>(output_height)),
        steps_width_((warp.width + kLanes - 1) / kLanes * kLanes),
        scratch_(scratch()) {
    prepare_columns();
    const int begin = std::max(first_, 0), end = std::min(last_, frame.width - 1) + 1;
    count_ = kChannels * (end - begin);
    rows_.emplace(frame, begin, end, scratch_.packed);
    if (frame.format == PixelFormat::kRgb8) {
      // blend_columns() takes blue first: red goes by its name.
      std::swap(in_order_.gain[0], in_order_.gain[2]);
      std::swap(in_order_.bias[0], in_order_.bias[2]);
    }
  }

  void write(int y) {
    T* row = output_ + static_cast<std::size_t>(y) * static_cast<std::size_t>(output_width_);
    const bool shown = y >= warp_.top && y < warp_.top + warp_.height;
    const int left = shown ? warp_.left : output_width_;
    const int right = shown ? warp_.left + warp_.width : output_width_;
    for (int channel = 0; channel < kChannels; ++channel) {
      T* plane = row + static_cast<std::size_t>(channel) * plane_;
      fill(normalization_.fill[channel], left, plane);
      fill(normalization_.fill[channel], output_width_ - right, plane + right);
    }
    if (shown) write_shown(y, row + left);
  }

 private:
  // The source columns [first_, last_] that the taps reach, border positions -1 and `width`
  // included.
  void prepare_columns() {
    reserve(scratch_.offsets, static_cast<std::size_t>(steps_width_));
    reserve(scratch_.weights, static_cast<std::size_t>(steps_width_));
    first_ = axis_tap(warp_.x, warp_.left, frame_.width, warp_.border).low;
    for (int i = 0; i < steps_width_; ++i) {
      // The last step's surplus columns repeat the last one: computed, never stored.
      const int column = warp_.left + std::min(i, warp_.width - 1);
      const Tap tap = axis_tap(warp_.x, column, frame_.width, warp_.border);
      scratch_.offsets[static_cast<std::size_t>(i)] = kChannels * (tap.low - first_);
      scratch_.weights[static_cast<std::size_t>(i)] = tap.weight;
      last_ = tap.low + 1;
    }
    const auto columns = static_cast<std::size_t>(last_ - first_ + 1);
    // Four floats are read at each tap, one more than the last pixel has.
    reserve(scratch_.row, columns * kChannels + 1);
    reserve(scratch_.black, columns * kChannels);
    reserve(scratch_.planes, static_cast<std::size_t>(steps_width_) * kChannels);
  }

  void write_shown(int y, T* row) {
    const Tap tap = axis_tap(warp_.y, y, frame_.height, warp_.border);
    float* blended = scratch_.row.data() + kChannels * (std::max(first_, 0) - first_);
    if (count_ > 0)
      blend_rows(source_row(tap.low), source_row(tap.low + 1), tap.weight, count_, blended);
    const bool replicate = warp_.border == Border::kReplicate;
    for (int channel = 0; channel < kChannels; ++channel) {
      if (first_ < 0) scratch_.row[static_cast<std::size_t>(channel)] = 0.0f;
      if (last_ == frame_.width) {
        blended[count_ + channel] = replicate ? blended[count_ - kChannels + channel] : 0.0f;
      }
    }
    float* planes = scratch_.planes.data();
    float *red = planes, *green = planes + steps_width_, *blue = planes + 2 * steps_width_;
    if constexpr (std::is_same_v<T, float>) {
      if (steps_width_ == warp_.width) {  // whole steps go straight to their place
        red = row, green = row + plane_, blue = row + 2 * plane_;
      }
    }
    const bool rgb = frame_.format == PixelFormat::kRgb8;
    blend_columns(scratch_.row.data(), scratch_.offsets.data(), scratch_.weights.data(),
                  steps_width_, in_order_, rgb ? blue : red, green, rgb ? red : blue);
    if (red == planes) {
      convert(red, warp_.width, row);
      convert(green, warp_.width, row + plane_);
      convert(blue, warp_.width, row + 2 * plane_);
    }
  }

  // Packed pixels of source row y, the border's included.
  const std::uint8_t* source_row(int y) {
    if (y < 0 || y >= frame_.height) {
      if (warp_.border == Border::kBlack) return scratch_.black.data();
      y = clamp(y, 0, frame_.height - 1);
    }
    return rows_->row(y);
  }

  const FrameView& frame_;
  const Warp& warp_;
  const Normalization& normalization_;
  Normalization in_order_;  // of the source's channels
  T* output_;
  int output_width_;
  std::size_t plane_;
  int steps_width_;           // of the shown part, rounded up to whole steps
  int first_ = 0, last_ = 0;  // source columns
  int count_ = 0;             // bytes of a source row within the frame
  Scratch& scratch_;
  std::optional<PackedRows> rows_;
};

template <typename T>
void warp_as(const FrameView& frame, std::span<const Placement> placements,
             const Normalization& normalization, const TensorView& output) {
  const int height = static_cast<int>(output.shape[2]), width = static_cast<int>(output.shape[3]);
  T* data = static_cast<T*>(output.data);
  const auto rows_per_item = static_cast<std::size_t>(height);
  parallel_for(
      placements.size() * rows_per_item, kGrainRows, [&](std::size_t begin, std::size_t end) {
        while (begin < end) {
          const std::size_t item = begin / rows_per_item;
          const std::size_t stop = std::min(end, (item + 1) * rows_per_item);
          T* target = data + item * static_cast<std::size_t>(output.elements_per_item());
          RowWarper<T> warper(frame, placements[item].warp, normalization, target, width, height);
          for (; begin < stop; ++begin) warper.write(static_cast<int>(begin % rows_per_item));
        }
      });
}

}  // namespace

void warp(const FrameView& frame, std::span<const Placement> placements,
          const Normalization& normalization, const TensorView& output) {
  switch (output.dtype) {
    case DType::kFloat32:
      return warp_as<float>(frame, placements, normalization, output);
    case DType::kFloat16:
      return warp_as<std::uint16_t>(frame, placements, normalization, output);
    case DType::kInt8:
      return warp_as<std::int8_t>(frame, placements, normalization, output);
  }
}

}  // namespace edgert::cpu
