// What a camera adds to a picture: it moves while it looks, and its sensor is noisy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "draw/solids.hpp"

namespace edgert::draw {

// A copy of the source, from `x`, `y` pixels into it, counts by `weight` 256ths.
struct Tap {
  std::int32_t x, y, weight;
};

// The weighted sum of the source's copies, which must lie within it and weigh 256 together.
// throws InvalidArgument.
void expose(const Picture& source, const Picture& target, std::span<const Tap> taps);

// Adds noise to every channel, cut to 8 bits. A row takes its noise from `noise` on, from its own
// offset; throws InvalidArgument where a row would read beyond the noise.
void add_noise(const Picture& picture, std::span<const std::int8_t> noise,
               std::span<const std::int64_t> row_offsets);

}  // namespace edgert::draw
