// joints_* bit for bit against the host's decoder, cosine_f32 against double, and which file of
// kernels a device takes.
#include <algorithm>
#include <cmath>

#include "cpu/outputs.hpp"
#include "cuda/cuda_error.hpp"
#include "half.h"
#include "kernels_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

// A tensor of floats, or of the halves nearest to them.
struct Numbers {
  std::vector<float> floats;
  std::vector<std::uint16_t> halves;
  TensorView view;

  Numbers(std::vector<float> values, DType dtype, std::array<std::int64_t, 4> shape)
      : floats(std::move(values)), view{floats.data(), dtype, 4, shape} {
    if (dtype != DType::kFloat16) return;
    halves.resize(floats.size());
    std::transform(floats.begin(), floats.end(), halves.begin(), to_half);
    view.data = halves.data();
  }
};

struct Maps {
  int people, joints, height, width;
  std::array<std::int64_t, 4> shape(int channels) const {
    return {people, channels, height, width};
  }
  std::size_t cells() const {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
};

// Noise, with equal maxima, peaks near borders, and maps that are not finite or all one value.
std::vector<float> random_maps(Random& random, const Maps& maps) {
  std::vector<float> values(static_cast<std::size_t>(maps.people * maps.joints) * maps.cells());
  for (std::size_t first = 0; first < values.size(); first += maps.cells()) {
    const bool flat = random.one_in(8), coarse = random.one_in(2);
    const int peak_x = random.below(maps.width), peak_y = random.below(maps.height);
    for (std::size_t i = 0; i < maps.cells(); ++i) {
      const int x = static_cast<int>(i) % maps.width, y = static_cast<int>(i) / maps.width;
      const auto dx = static_cast<float>(x - peak_x), dy = static_cast<float>(y - peak_y);
      float value = std::exp(-(dx * dx + dy * dy) / 8) + random.between(-0.05f, 0.05f);
      if (coarse) value = std::round(value * 4) / 4;
      values[first + i] = flat ? (random.one_in(2) ? 0.0f : -0.0f) : value;
    }
    constexpr float kBroken[] = {NAN, INFINITY, -INFINITY};
    if (random.one_in(6))
      values[first + static_cast<std::size_t>(random.below(static_cast<int>(maps.cells())))] =
          kBroken[random.below(3)];
  }
  return values;
}

void check_joints(const Gpu& gpu, const TensorView& heatmaps, const TensorView* offsets,
                  const HeatmapLayout& layout) {
  const auto people = static_cast<std::size_t>(heatmaps.shape[0]);
  const std::size_t count = people * static_cast<std::size_t>(heatmaps.shape[1]);
  const std::vector<Affine> to_frame(people);  // network pixels are frame pixels
  std::vector<float> keypoints(2 * count), scores(count);
  const std::size_t dropped = cpu::OutputReader().decode_heatmaps(
      heatmaps, offsets, layout, to_frame, keypoints.data(), scores.data());
  std::vector<Joint> joints(count, Joint{-1e9f, -1e9f, -1e9f, 77});
  gpu.kernels.decode_heatmaps(gpu.stream, heatmaps, offsets, layout, static_cast<int>(people),
                              joints.data());
  gpu.wait();
  std::size_t broken = 0;
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(same_bytes(joints[i].x, keypoints[2 * i]));
    CHECK(same_bytes(joints[i].y, keypoints[2 * i + 1]));
    CHECK(same_bytes(joints[i].score, scores[i]));
    CHECK(joints[i].finite == 0 || joints[i].finite == 1);
    broken += joints[i].finite == 0;
  }
  CHECK(broken == dropped);
}

void test_heatmaps(const Gpu& gpu, Random& random, int rounds) {
  constexpr Refine kRefine[] = {Refine::kNone, Refine::kQuarter, Refine::kDark};
  constexpr int kBlur[] = {3, 11, 17, 31};
  for (int round = 0; round < rounds; ++round) {
    const Maps maps{1 + random.below(2), 1 + random.below(4), 1 + random.below(30),
                    1 + random.below(30)};
    HeatmapLayout layout;
    layout.stride_x = 4, layout.stride_y = 3.7f;
    layout.refine = kRefine[round % 3];
    layout.cells = random.one_in(2) ? Cells::kCorner : Cells::kCenter;
    layout.blur_kernel = kBlur[random.below(4)];
    const Numbers heatmaps(random_maps(random, maps),
                           random.one_in(2) ? DType::kFloat32 : DType::kFloat16,
                           maps.shape(maps.joints));
    check_joints(gpu, heatmaps.view, nullptr, layout);
  }
}

void test_offsets(const Gpu& gpu, Random& random) {
  for (const bool x_first : {true, false}) {
    for (const bool interleaved : {true, false}) {
      for (const DType dtype : {DType::kFloat32, DType::kFloat16}) {
        const Maps maps{2, 3, 9, 7};
        std::vector<float> vectors(static_cast<std::size_t>(maps.people * 2 * maps.joints) *
                                   maps.cells());
        for (float& value : vectors) value = random.one_in(10) ? NAN : random.between(-2, 2);
        const Numbers offsets(std::move(vectors), dtype, maps.shape(2 * maps.joints));
        const Numbers heatmaps(random_maps(random, maps), DType::kFloat32, maps.shape(maps.joints));
        HeatmapLayout layout;
        layout.offsets = {x_first, interleaved, 0.25f};
        check_joints(gpu, heatmaps.view, &offsets.view, layout);
      }
    }
  }
}

// Of the usual size, and at an address that no whole line begins at.
void test_usual_size(const Gpu& gpu, Random& random) {
  const Maps maps{1, 5, 96, 72};
  Numbers heatmaps(random_maps(random, maps), DType::kFloat32, maps.shape(5));
  check_joints(gpu, heatmaps.view, nullptr, {});
  heatmaps.view.data = static_cast<float*>(heatmaps.view.data) + 1;
  heatmaps.view.shape[1] = 4;
  HeatmapLayout dark;
  dark.refine = Refine::kDark;
  check_joints(gpu, heatmaps.view, nullptr, dark);
}

// The host's logarithm is the device's: against the library's.
void test_logarithm() {
  for (unsigned bits = 0x00800000u; bits < 0x7f800000u; bits += 9973) {
    const float value = float_of(bits);
    const double exact = std::log(static_cast<double>(value));
    CHECK(std::abs(log_of(value) - exact) <= 2.5e-7 * std::abs(exact) + 1e-9);
  }
  CHECK(log_of(1.0f) == 0.0f);
}

void test_cosine_distances(const Gpu& gpu, Random& random) {
  constexpr int kRows[] = {1, 5, 17}, kWidths[] = {1, 31, 64, 130};
  for (const int rows_a : kRows) {
    for (const int width : kWidths) {
      const int rows_b = 1 + random.below(20);
      const auto size = static_cast<std::size_t>(width);
      std::vector<float> a(size * static_cast<std::size_t>(rows_a));
      std::vector<float> b(size * static_cast<std::size_t>(rows_b));
      for (float& value : a) value = random.between(-1, 1);
      for (float& value : b) value = random.between(-1, 1);
      std::fill_n(b.begin(), size, 0.0f);  // without length
      const std::size_t count = static_cast<std::size_t>(rows_a * rows_b);
      std::vector<float> distances(count, NAN);
      gpu.kernels.cosine_distances(gpu.stream, a.data(), rows_a, b.data(), rows_b, width,
                                   distances.data());
      gpu.wait();
      for (std::size_t i = 0; i < count; ++i) {
        const float* row_a = a.data() + size * (i / static_cast<std::size_t>(rows_b));
        const float* row_b = b.data() + size * (i % static_cast<std::size_t>(rows_b));
        double dot = 0, squares_a = 0, squares_b = 0;
        for (std::size_t k = 0; k < size; ++k) {
          dot += static_cast<double>(row_a[k]) * row_b[k];
          squares_a += static_cast<double>(row_a[k]) * row_a[k];
          squares_b += static_cast<double>(row_b[k]) * row_b[k];
        }
        const double expected = squares_b > 0 ? 1 - dot / std::sqrt(squares_a * squares_b) : 1;
        CHECK(std::abs(distances[i] - expected) <= 1e-5);
      }
    }
  }
  gpu.kernels.cosine_distances(gpu.stream, nullptr, 0, nullptr, 3, 4, nullptr);
}

// The device is of compute capability 8.7.
void test_which_kernels_a_device_takes() {
  const auto chosen = [](const std::vector<std::string>& names) {
    return Gpu(KernelFolder(names)).kernels.image();
  };
  CHECK(chosen({"edgert.sm_87.cubin", "edgert.sm_80.cubin", "edgert.compute_75.ptx"}) ==
        "edgert.sm_87.cubin");
  CHECK(chosen({"edgert.sm_90.cubin", "edgert.sm_80.cubin", "edgert.sm_89.cubin",
                "edgert.compute_75.ptx"}) == "edgert.sm_80.cubin");
  CHECK(chosen({"edgert.sm_90.cubin", "edgert.sm_75.cubin", "edgert.compute_75.ptx",
                "edgert.compute_80.ptx", "edgert.compute_90.ptx"}) == "edgert.compute_80.ptx");
  const auto reason = [](const std::vector<std::string>& names) -> std::string {
    try {
      Gpu(KernelFolder(names));
    } catch (const UnavailableError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(reason({"edgert.sm_90.cubin", "edgert.sm_8x.cubin"}) ==
        "no kernels for compute capability 8.7; this build has edgert.sm_90.cubin");
  CHECK(reason({}).starts_with("this build carries no kernels (none in /"));
}

}  // namespace

int main() {
  use_fake_driver();
  const Gpu gpu;
  Random random(7);
  test_heatmaps(gpu, random, 90);
  test_offsets(gpu, random);
  test_usual_size(gpu, random);
  test_logarithm();
  test_cosine_distances(gpu, random);
  test_which_kernels_a_device_takes();
}
