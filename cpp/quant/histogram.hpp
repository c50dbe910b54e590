// How large the numbers of a tensor are: a histogram that needs no range beforehand.
//
// A magnitude's bin is the upper half of its float32 bits, without the sign: 128 bins an octave,
// so none is wider than 1/128 of its values. Only integers are added up; counts are therefore the
// same for any order, any batch and any number of threads, and those of two runs can be added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "tensor.hpp"

namespace edgert::quant {

inline constexpr std::size_t kBins = 32768;

// What has been seen of one tensor. Values that are not finite are only counted.
struct Tally {
  std::uint64_t* counts = nullptr;  // kBins of them, not owned
  float minimum = std::numeric_limits<float>::infinity();
  float maximum = -std::numeric_limits<float>::infinity();  // minimum > maximum: nothing yet
  std::uint64_t nonfinite = 0;
};

// Adds each tensor to the tally of its place; no two tallies share their counts. On the pool of
// parallel.hpp, a tensor a thread.
void count_magnitudes(std::span<const TensorView> tensors, std::span<Tally> tallies);

}  // namespace edgert::quant
