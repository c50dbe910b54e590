#include "quant/histogram.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>

#include "error.hpp"
#include "half.h"
#include "parallel.hpp"
#include "simd.hpp"

namespace edgert::quant {
namespace {

// Values looked at in one go: their bins stay in the first-level cache.
constexpr std::size_t kBlock = 2048;

// Neighbouring values often fall into the same bin, and a processor that adds to an address waits
// for its last addition there: values take turns over this many tables.
constexpr std::size_t kTurns = 8;

// A table's counters are 32 bits wide: no more values than this before they are added up.
constexpr std::size_t kMost = std::size_t{1} << 31;

constexpr std::uint32_t kMagnitude = 0x7fffffffu, kInfinity = 0x7f800000u;

std::uint32_t bits_of(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

std::uint32_t bits_of(std::uint16_t half) {
  return std::bit_cast<std::uint32_t>(from_half(half));
}

// Signed integers in the order of the floats; its own inverse.
std::int32_t ordered(std::uint32_t bits) {
  const auto value = static_cast<std::int32_t>(bits);
  return value ^ ((value >> 31) & 0x7fffffff);
}

float float_of(std::int32_t key) {
  // Adding zero makes one zero of the two, whichever came first.
  return std::bit_cast<float>(ordered(static_cast<std::uint32_t>(key))) + 0.0f;
}

struct Block {
  std::array<std::uint16_t, kBlock> bins;
  std::int32_t lowest, highest;      // keys
  std::uint32_t smallest, greatest;  // magnitudes
};

template <typename T>
[[gnu::always_inline]] inline void look(const T* values, std::size_t count, Block& block) {
  std::int32_t lowest = 0x7fffffff, highest = -0x7fffffff - 1;
  std::uint32_t smallest = kMagnitude, greatest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = bits_of(values[i]), magnitude = bits & kMagnitude;
    const std::int32_t key = ordered(bits);
    block.bins[i] = static_cast<std::uint16_t>(magnitude >> 16);
    lowest = std::min(lowest, key);
    highest = std::max(highest, key);
    smallest = std::min(smallest, magnitude);
    greatest = std::max(greatest, magnitude);
  }
  block.lowest = lowest;
  block.highest = highest;
  block.smallest = smallest;
  block.greatest = greatest;
}

EDGERT_MULTIVERSION void look_f32(const float* values, std::size_t count, Block& block) {
  look(values, count, block);
}

EDGERT_MULTIVERSION void look_f16(const std::uint16_t* values, std::size_t count, Block& block) {
  look(values, count, block);
}

void look_at(const float* values, std::size_t count, Block& block) {
  look_f32(values, count, block);
}

void look_at(const std::uint16_t* values, std::size_t count, Block& block) {
  look_f16(values, count, block);
}

// The tables of one thread: empty between two tensors.
class Tables {
 public:
  // Finite values only.
  void add(const Block& block, std::size_t count) {
    std::uint32_t* const table = counts_.data();
    const std::uint16_t* const bins = block.bins.data();
    std::size_t i = 0;
    for (; i + kTurns <= count; i += kTurns) {
      for (std::size_t turn = 0; turn < kTurns; ++turn) ++table[kTurns * bins[i + turn] + turn];
    }
    for (; i < count; ++i) ++table[kTurns * bins[i]];
    first_ = std::min<std::size_t>(first_, block.smallest >> 16);
    last_ = std::max<std::size_t>(last_, block.greatest >> 16);
  }

  void move_to(std::uint64_t* counts) {
    for (std::size_t bin = first_; bin <= last_; ++bin) {
      std::uint32_t* const turns = counts_.data() + kTurns * bin;
      for (std::size_t turn = 0; turn < kTurns; ++turn) counts[bin] += turns[turn];
      std::fill_n(turns, kTurns, 0u);
    }
    first_ = kBins;
    last_ = 0;
  }

 private:
  std::array<std::uint32_t, kTurns * kBins> counts_{};
  std::size_t first_ = kBins, last_ = 0;  // the bins that may be in use
};

// Moves the finite values of a block to its front; returns how many they are.
template <typename T>
std::size_t keep_finite(const T* values, std::size_t count, T* kept) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if ((bits_of(values[i]) & kMagnitude) < kInfinity) kept[size++] = values[i];
  }
  return size;
}

template <typename T>
void count_values(const T* values, std::size_t count, Tally& tally) {
  thread_local const auto tables = std::make_unique<Tables>();
  Block block;
  std::array<T, kBlock> kept;
  std::int32_t lowest = ordered(bits_of(tally.minimum)), highest = ordered(bits_of(tally.maximum));
  for (std::size_t done = 0; done < count;) {
    const std::size_t end = std::min(count, done + kMost);
    for (; done < end; done += kBlock) {
      std::size_t size = std::min(kBlock, end - done);
      look_at(values + done, size, block);
      if (block.greatest >= kInfinity) {
        const std::size_t finite = keep_finite(values + done, size, kept.data());
        tally.nonfinite += size - finite;
        size = finite;
        if (size == 0) continue;
        look_at(kept.data(), size, block);
      }
      tables->add(block, size);
      lowest = std::min(lowest, block.lowest);
      highest = std::max(highest, block.highest);
    }
    tables->move_to(tally.counts);
  }
  tally.minimum = float_of(lowest);
  tally.maximum = float_of(highest);
}

}  // namespace

void count_magnitudes(std::span<const TensorView> tensors, std::span<Tally> tallies) {
  require(tensors.size() == tallies.size(), "count_magnitudes: expected a tally for each tensor");
  parallel_for(tensors.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto count = static_cast<std::size_t>(tensors[i].elements());
      if (tensors[i].dtype == DType::kFloat32) {
        count_values(static_cast<const float*>(tensors[i].data), count, tallies[i]);
      } else {
        count_values(static_cast<const std::uint16_t*>(tensors[i].data), count, tallies[i]);
      }
    }
  });
}

}  // namespace edgert::quant
