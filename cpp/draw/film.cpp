#include "draw/film.hpp"

#include <algorithm>
#include <string>

#include "error.hpp"
#include "simd.hpp"

namespace edgert::draw {
namespace {

constexpr int kBlock = 1024;  // channels summed at a time: their sums stay in the first cache

EDGERT_MULTIVERSION
void accumulate(const std::uint8_t* __restrict source, std::uint16_t* __restrict sums, int weight,
                int count) {
  for (int i = 0; i < count; ++i)
    sums[i] = static_cast<std::uint16_t>(sums[i] + source[i] * weight);
}

EDGERT_MULTIVERSION
void store(const std::uint16_t* __restrict sums, std::uint8_t* __restrict target, int count) {
  for (int i = 0; i < count; ++i) target[i] = static_cast<std::uint8_t>(sums[i] >> 8);
}

EDGERT_MULTIVERSION
void add_row(std::uint8_t* __restrict pixels, const std::int8_t* __restrict noise, int count) {
  for (int i = 0; i < count; ++i) {
    const int sum = pixels[i] + noise[i];
    pixels[i] = static_cast<std::uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

}  // namespace

void expose(const Picture& source, const Picture& target, std::span<const Tap> taps) {
  int total = 0;
  for (const Tap& tap : taps) {
    if (tap.x < 0 || tap.y < 0 || tap.x > source.width - target.width ||
        tap.y > source.height - target.height || tap.weight < 0 || tap.weight > 256) {
      throw InvalidArgument("taps: (" + std::to_string(tap.x) + ", " + std::to_string(tap.y) +
                            ", " + std::to_string(tap.weight) +
                            "): expected a copy within the source, of a weight from 0 to 256");
    }
    total += tap.weight;
  }
  if (total != 256) {
    throw InvalidArgument("taps: weights sum to " + std::to_string(total) + ", expected 256");
  }
  std::uint16_t sums[kBlock];
  for (int y = 0; y < target.height; ++y) {
    std::uint8_t* row = target.pixels + y * target.row_stride_bytes;
    for (int x = 0; x < 3 * target.width; x += kBlock) {
      const int count = std::min(kBlock, 3 * target.width - x);
      std::fill_n(sums, count, std::uint16_t{127});  // rounds, and 255 * 256 + 127 fits
      for (const Tap& tap : taps) {
        const std::uint8_t* from = source.pixels + (y + tap.y) * source.row_stride_bytes;
        accumulate(from + 3 * tap.x + x, sums, tap.weight, count);
      }
      store(sums, row + x, count);
    }
  }
}

void add_noise(const Picture& picture, std::span<const std::int8_t> noise,
               std::span<const std::int64_t> row_offsets) {
  const std::int64_t room = static_cast<std::int64_t>(noise.size()) - 3 * picture.width;
  for (const std::int64_t offset : row_offsets) {
    if (offset < 0 || offset > room) {
      throw InvalidArgument("row_offsets: " + std::to_string(offset) + ", expected 0 to " +
                            std::to_string(room) + ", so that a row's noise is all there");
    }
  }
  for (int y = 0; y < picture.height; ++y) {
    add_row(picture.pixels + y * picture.row_stride_bytes,
            noise.data() + row_offsets[static_cast<std::size_t>(y)], 3 * picture.width);
  }
}

}  // namespace edgert::draw
