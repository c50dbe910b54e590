// Magnitudes are counted exactly: against one value at a time, for every half, any length, any
// number of threads.
#include "quant/histogram.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "half.h"
#include "parallel.hpp"

using namespace edgert;

namespace {

struct Expected {
  std::vector<std::uint64_t> counts = std::vector<std::uint64_t>(quant::kBins);
  std::uint64_t nonfinite = 0;
  float minimum = INFINITY, maximum = -INFINITY;

  void add(float value) {
    if (!std::isfinite(value)) {
      ++nonfinite;
      return;
    }
    ++counts[std::bit_cast<std::uint32_t>(std::fabs(value)) >> 16];
    minimum = std::fmin(minimum, value);
    maximum = std::fmax(maximum, value);
  }
};

TensorView view(void* data, DType dtype, std::size_t size) {
  return {data, dtype, 1, {static_cast<std::int64_t>(size), 1, 1, 1}};
}

void check(const quant::Tally& tally, const Expected& expected) {
  for (std::size_t bin = 0; bin < quant::kBins; ++bin)
    CHECK(tally.counts[bin] == expected.counts[bin]);
  CHECK(tally.nonfinite == expected.nonfinite);
  CHECK(tally.minimum == expected.minimum && tally.maximum == expected.maximum);
}

void every_half() {
  std::vector<std::uint16_t> halves(65536);
  Expected expected;
  for (std::size_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<std::uint16_t>(i);
    expected.add(from_half(halves[i]));
  }
  std::vector<std::uint64_t> counts(quant::kBins);
  quant::Tally tally{counts.data()};
  const TensorView tensor = view(halves.data(), DType::kFloat16, halves.size());
  quant::count_magnitudes({&tensor, 1}, {&tally, 1});
  check(tally, expected);
}

void any_length(int threads) {
  set_num_threads(threads);
  std::mt19937 random(7);
  std::vector<std::vector<float>> values;
  std::vector<Expected> expected;
  std::vector<std::vector<std::uint64_t>> counts;
  std::vector<quant::Tally> tallies;
  std::vector<TensorView> tensors;
  for (const std::size_t size : {0, 1, 5, 2047, 2048, 2049, 50000}) {
    values.emplace_back(size);
    expected.emplace_back();
    for (float& value : values.back()) {
      value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      expected.back().add(value);
      expected.back().add(value);
    }
    counts.emplace_back(quant::kBins);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    tensors.push_back(view(values[i].data(), DType::kFloat32, values[i].size()));
    tallies.push_back({counts[i].data()});
  }
  quant::count_magnitudes(tensors, tallies);
  quant::count_magnitudes(tensors, tallies);
  for (std::size_t i = 0; i < values.size(); ++i) check(tallies[i], expected[i]);
}

}  // namespace

int main() {
  every_half();
  for (const int threads : {1, 2, 4}) any_length(threads);
  const TensorView none;
  CHECK_THROWS(quant::count_magnitudes({&none, 1}, {}), InvalidArgument);
  return 0;
}
