// letterbox_* and crops_* bit for bit against the host's warp, and that one pixel by pixel against
// the arithmetic of kernels/*.h.
#include "cpu/warp.hpp"
#include "half.h"
#include "kernels_fixture.hpp"
#include "stages/crop.hpp"
#include "stages/frame.hpp"
#include "stages/preprocess.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat16, DType::kInt8};

// A frame in memory of exactly its size; strides wider than needed, mirrored where that is allowed.
struct Image {
  std::vector<std::uint8_t> pixels, chroma;
  FrameView view;
};

Image color_image(Random& random, PixelFormat format, int width, int height) {
  Image image;
  const int step = 3 + random.below(2), padding = random.below(5);
  const std::ptrdiff_t row = width * step + padding;
  image.pixels.resize(static_cast<std::size_t>(row * (height - 1) + width * step));
  for (auto& byte : image.pixels) byte = random.byte();
  image.view = {image.pixels.data(), width, height, row, step, 1, format};
  FrameView& view = image.view;
  switch (random.below(4)) {
    case 0:  // upside down
      view.data += row * (height - 1);
      view.row_stride_bytes = -row;
      break;
    case 1:  // left to right
      view.data += step * (width - 1);
      view.pixel_stride_bytes = -step;
      break;
    case 2:  // grey
      view.channel_stride_bytes = 0;
      break;
    default:
      break;
  }
  return image;
}

Image video_image(Random& random, PixelFormat format, int width, int height) {
  Image image;
  const bool nv12 = format == PixelFormat::kNv12;
  const int pairs = (width + 1) / 2, padding = random.below(5);
  const int bytes = nv12 ? width : 4 * pairs, chroma_bytes = 2 * pairs;
  const int chroma_rows = (height + 1) / 2;
  image.pixels.resize(static_cast<std::size_t>((bytes + padding) * (height - 1) + bytes));
  image.chroma.resize(
      nv12 ? static_cast<std::size_t>((chroma_bytes + padding) * (chroma_rows - 1) + chroma_bytes)
           : 0);
  for (auto& byte : image.pixels) byte = random.byte();
  for (auto& byte : image.chroma) byte = random.byte();
  image.view = {image.pixels.data(),
                width,
                height,
                bytes + padding,
                0,
                0,
                format,
                image.chroma.data(),
                chroma_bytes + padding,
                yuv_matrix(random.one_in(2) ? YuvStandard::kBt601 : YuvStandard::kBt709,
                           random.one_in(2) ? YuvRange::kLimited : YuvRange::kFull)};
  return image;
}

Image random_image(Random& random) {
  const int width = 1 + random.below(random.one_in(3) ? 400 : 90), height = 1 + random.below(90);
  switch (random.below(4)) {
    case 0:
      return color_image(random, PixelFormat::kBgr8, width, height);
    case 1:
      return color_image(random, PixelFormat::kRgb8, width, height);
    case 2:
      return video_image(random, PixelFormat::kNv12, width, height);
    default:
      return video_image(random, PixelFormat::kYuyv, width, height);
  }
}

Normalization some_normalization(DType dtype) {
  Normalization n = normalize({0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 114);
  if (dtype != DType::kInt8) return n;
  for (int c = 0; c < 3; ++c) {  // INT8's scale goes with it: some values are clamped
    n.gain[c] *= 60;
    n.bias[c] *= 60;
    n.fill[c] *= 60;
  }
  return n;
}

// A tensor whose bytes are all `poison`, `misalignment` elements from where memory is aligned.
struct Tensor {
  Tensor(DType dtype, std::int64_t items, int width, int height, int misalignment,
         std::uint8_t poison)
      : bytes(
            static_cast<std::size_t>(items * 3 * width * height + misalignment) * size_bytes(dtype),
            poison),
        skipped(static_cast<std::size_t>(misalignment) * size_bytes(dtype)),
        view{bytes.data() + skipped, dtype, 4, {items, 3, height, width}} {}

  std::vector<std::uint8_t> bytes;
  std::size_t skipped;
  TensorView view;
};

void check_same(const Tensor& device, const Tensor& host) {
  for (std::size_t i = device.skipped; i < device.bytes.size(); ++i)
    CHECK(device.bytes[i] == host.bytes[i]);
}

void test_letterbox(const Gpu& gpu, Random& random, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const Image image = random_image(random);
    const int width = 1 + random.below(80), height = 1 + random.below(80);
    const int misalignment = random.below(3);
    const Placement placement = letterbox(image.view.width, image.view.height, width, height);
    for (const DType dtype : kTypes) {
      const Normalization n = some_normalization(dtype);
      Tensor device(dtype, 1, width, height, misalignment, 0xcd);
      Tensor host(dtype, 1, width, height, misalignment, 0xab);
      gpu.kernels.letterbox(image.view, placement.warp, n, device.view).enqueue(gpu.stream);
      cpu::warp(image.view, {&placement, 1}, n, host.view);
      gpu.wait();
      check_same(device, host);
    }
  }
}

// Inside, across the border, outside, huge, without area.
Box random_box(Random& random) {
  const float x = random.between(-150, 250), y = random.between(-150, 250);
  const float scale = random.one_in(5) ? 0.0f : random.between(1, 300);
  return {x, y, x + scale * random.between(0, 2), y + scale};
}

void test_crops(const Gpu& gpu, Random& random, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const Image image = random_image(random);
    const int width = 1 + random.below(60), height = 1 + random.below(60);
    const int count = 1 + random.below(4), misalignment = random.below(3);
    const double padding = random.one_in(2) ? 1.25 : 1.1;
    const CropKind kind = random.one_in(2) ? CropKind::kGrow : CropKind::kStretch;
    std::vector<Box> boxes;
    std::vector<Placement> placements;
    for (int i = 0; i < count; ++i) {
      boxes.push_back(random_box(random));
      placements.push_back(kind == CropKind::kGrow ? crop(boxes.back(), width, height, padding)
                                                   : stretch(boxes.back(), width, height, padding));
    }
    for (const DType dtype : kTypes) {
      const Normalization n = some_normalization(dtype);
      Tensor device(dtype, count, width, height, misalignment, 0xcd);
      Tensor host(dtype, count, width, height, misalignment, 0xab);
      gpu.kernels.crops(image.view, boxes.data(), count, kind, padding, n, device.view)
          .enqueue(gpu.stream);
      cpu::warp(image.view, placements, n, host.view);
      gpu.wait();
      check_same(device, host);
    }
  }
}

// Sizes as they are in use: several rows a thread, several blocks.
void test_usual_sizes(const Gpu& gpu, Random& random) {
  const Image image = color_image(random, PixelFormat::kBgr8, 480, 270);
  const Placement placement = letterbox(480, 270, 640, 640);
  const Normalization n = some_normalization(DType::kFloat16);
  Tensor device(DType::kFloat16, 1, 640, 640, 0, 0xcd), host(DType::kFloat16, 1, 640, 640, 0, 0xab);
  gpu.kernels.letterbox(image.view, placement.warp, n, device.view).enqueue(gpu.stream);
  cpu::warp(image.view, {&placement, 1}, n, host.view);
  gpu.wait();
  check_same(device, host);

  const Box box{100, 50, 180, 240};
  const Placement person = crop(box, 288, 384, 1.25);
  Tensor crops(DType::kFloat32, 1, 288, 384, 0, 0xcd), same(DType::kFloat32, 1, 288, 384, 0, 0xab);
  gpu.kernels.crops(image.view, &box, 1, CropKind::kGrow, 1.25, n, crops.view).enqueue(gpu.stream);
  cpu::warp(image.view, {&person, 1}, n, same.view);
  gpu.wait();
  check_same(crops, same);
}

void test_int8_rounds_half_to_even_and_clamps() {
  for (int i = -150; i < 150; ++i) {
    const auto value = static_cast<float>(i);
    const int clamped = clamp(i, -128, 127);
    CHECK(to_int8(value) == clamped);
    const int even = i % 2 == 0 ? i : i + 1;
    CHECK(to_int8(value + 0.5f) == clamp(even, -128, 127));
    CHECK(to_int8(value + 0.49f) == clamped);
  }
  CHECK(to_int8(1e30f) == 127 && to_int8(-1e30f) == -128);
}

// White, black and the primaries of limited and of full range, as the standards define them.
void test_colors_of_the_standards() {
  const auto is = [](Rgb8 found, int red, int green, int blue) {
    return std::abs(found.red - red) <= 1 && std::abs(found.green - green) <= 1 &&
           std::abs(found.blue - blue) <= 1;
  };
  for (const YuvStandard standard : {YuvStandard::kBt601, YuvStandard::kBt709}) {
    const YuvMatrix limited = yuv_matrix(standard, YuvRange::kLimited);
    const YuvMatrix full = yuv_matrix(standard, YuvRange::kFull);
    CHECK(is(yuv_to_rgb(16, 128, 128, limited), 0, 0, 0));
    CHECK(is(yuv_to_rgb(235, 128, 128, limited), 255, 255, 255));
    CHECK(is(yuv_to_rgb(0, 128, 128, full), 0, 0, 0));
    CHECK(is(yuv_to_rgb(255, 128, 128, full), 255, 255, 255));
  }
  CHECK(
      is(yuv_to_rgb(81, 90, 240, yuv_matrix(YuvStandard::kBt601, YuvRange::kLimited)), 255, 0, 0));
  CHECK(
      is(yuv_to_rgb(63, 102, 240, yuv_matrix(YuvStandard::kBt709, YuvRange::kLimited)), 255, 0, 0));
  CHECK(
      is(yuv_to_rgb(41, 240, 110, yuv_matrix(YuvStandard::kBt601, YuvRange::kLimited)), 0, 0, 255));
  CHECK(is(yuv_to_rgb(150, 44, 21, yuv_matrix(YuvStandard::kBt601, YuvRange::kFull)), 0, 255, 0));
  CHECK(is(yuv_to_rgb(76, 85, 255, yuv_matrix(YuvStandard::kBt601, YuvRange::kFull)), 255, 0, 0));
}

}  // namespace

int main() {
  use_fake_driver();
  const Gpu gpu;
  Random random(11);
  test_letterbox(gpu, random, 150);
  test_crops(gpu, random, 60);
  test_usual_sizes(gpu, random);
  test_int8_rounds_half_to_even_and_clamps();
  test_colors_of_the_standards();
}
