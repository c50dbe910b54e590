// The host's warp, pixel by pixel against the arithmetic of kernels/warp.h on odd shapes and
// layouts.
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "cpu/warp.hpp"
#include "half.h"
#include "parallel.hpp"
#include "stages/crop.hpp"
#include "stages/preprocess.hpp"

using namespace edgert;

namespace {

struct Image {
  std::vector<std::uint8_t> bytes;
  FrameView view;
};

// Strides as multiples of the packed ones, mirrored where negative.
Image random_image(std::mt19937& random, int width, int height, int pixel_step, bool mirrored) {
  Image image;
  image.bytes.resize(static_cast<std::size_t>(width) *
                     static_cast<std::size_t>(height * pixel_step));
  for (auto& byte : image.bytes) byte = static_cast<std::uint8_t>(random());
  image.view = {image.bytes.data(), width, height, width * pixel_step, pixel_step, 1};
  if (mirrored) {
    image.view.data += image.bytes.size() - static_cast<std::size_t>(pixel_step);
    image.view.row_stride_bytes = -image.view.row_stride_bytes;
    image.view.pixel_stride_bytes = -pixel_step;
  }
  return image;
}

// One value by the words of kernels/warp.h: first the rows are blended, then the columns.
float expected(const FrameView& frame, const Warp& warp, const Normalization& n, int channel, int x,
               int y) {
  const bool shown =
      x >= warp.left && x < warp.left + warp.width && y >= warp.top && y < warp.top + warp.height;
  if (!shown) return n.fill[channel];
  const auto at = [&](int column, int row) {
    if (warp.border == Border::kReplicate) {
      column = clamp(column, 0, frame.width - 1);
      row = clamp(row, 0, frame.height - 1);
    } else if (column < 0 || column >= frame.width || row < 0 || row >= frame.height) {
      return 0.0f;
    }
    return static_cast<float>(
        frame.data[row * frame.row_stride_bytes + column * frame.pixel_stride_bytes +
                   (2 - channel) * frame.channel_stride_bytes]);
  };
  const Tap column = axis_tap(warp.x, x, frame.width, warp.border);
  const Tap row = axis_tap(warp.y, y, frame.height, warp.border);
  const auto blended = [&](int from) {
    return lerp(at(from, row.low), at(from, row.low + 1), row.weight);
  };
  const float value = lerp(blended(column.low), blended(column.low + 1), column.weight);
  return value * n.gain[channel] + n.bias[channel];
}

void check_warp(const FrameView& frame, const std::vector<Placement>& placements, int width,
                int height) {
  const Normalization n = normalize({0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 114);
  const auto plane = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  const std::size_t count = placements.size() * 3 * plane;
  std::vector<float> floats(count, -1e9f);
  std::vector<std::uint16_t> halves(count, 0xdead);
  const auto items = static_cast<std::int64_t>(placements.size());
  cpu::warp(frame, placements, n, {floats.data(), DType::kFloat32, 4, {items, 3, height, width}});
  cpu::warp(frame, placements, n, {halves.data(), DType::kFloat16, 4, {items, 3, height, width}});
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t item = i / (3 * plane), channel = i / plane % 3, pixel = i % plane;
    const float value = expected(frame, placements[item].warp, n, static_cast<int>(channel),
                                 static_cast<int>(pixel) % width, static_cast<int>(pixel) / width);
    CHECK(std::bit_cast<std::uint32_t>(floats[i]) == std::bit_cast<std::uint32_t>(value));
    CHECK(halves[i] == to_half(value));
  }
}

void test_every_pixel_is_the_devices() {
  std::mt19937 random(1);
  const auto below = [&](int end) {
    return static_cast<int>(random() % static_cast<unsigned>(end));
  };
  for (int round = 0; round < 150; ++round) {
    const Image image =
        random_image(random, 1 + below(90), 1 + below(90), 3 + below(2), below(2) == 1);
    const int width = 1 + below(70), height = 1 + below(70);
    check_warp(image.view, {letterbox(image.view.width, image.view.height, width, height)}, width,
               height);
    std::vector<Placement> crops;
    for (int i = 0; i < 3; ++i) {  // boxes inside, outside, huge, without area
      const auto x = static_cast<float>(below(300) - 100), y = static_cast<float>(below(300) - 100);
      const auto w = static_cast<float>(below(3) * below(200)), h = static_cast<float>(below(400));
      crops.push_back(crop({x, y, x + w, y + h}, width, height, 1.25));
    }
    check_warp(image.view, crops, width, height);
  }
}

void test_far_away_boxes() {
  std::mt19937 random(2);
  const Image image = random_image(random, 20, 10, 3, false);
  for (const float far : {1e5f, 1e9f, 1e20f, 3e38f}) {
    for (const float sign : {-1.0f, 1.0f}) {
      const float x = sign * far;
      check_warp(
          image.view,
          {crop({x, x, x + 10, x + 10}, 8, 8, 1.25), crop({-far, -far, far, far}, 8, 8, 1.25)}, 8,
          8);
    }
  }
}

void test_half_is_exact() {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_half(half);
    const bool nan = (bits & 0x7fff) > 0x7c00;
    CHECK(nan ? value != value : to_half(value) == half);
    if (nan || (bits & 0x7fff) >= 0x7bff) continue;
    // Halfway to the next rounds to even, anything beyond rounds away.
    const float next = from_half(static_cast<std::uint16_t>(half + 1));
    const float middle = (value + next) / 2;
    CHECK(to_half(middle) == (half & 1 ? half + 1 : half));
    CHECK(to_half(std::nextafterf(middle, next)) == half + 1);
    CHECK(to_half(std::nextafterf(middle, value)) == half);
  }
}

}  // namespace

int main() {
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    test_every_pixel_is_the_devices();
  }
  test_far_away_boxes();
  test_half_is_exact();
}
