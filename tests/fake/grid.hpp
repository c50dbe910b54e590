// The device language on the host: what kernels/*.cu say, for the compiler of C++. A block's
// threads are fibers, run one after the other up to where they wait for each other. Proves what a
// kernel computes, never how fast; threads that race for memory without a barrier stay unseen.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "emulated.hpp"

#define __global__
#define __device__
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static thread_local

namespace edgert::fake {

struct Coordinates {
  unsigned x, y, z;
};

// Runs `body` for every thread of every block, one block after the other.
void run_grid(const Shape& shape, void (*body)(void* arguments), void* arguments);

// Of the thread that runs; its whole block, its whole warp waits.
bool wait_for_block(bool vote);  // whether anybody voted so
struct WarpWords {
  std::uint64_t lane[32];
};
const WarpWords& wait_for_warp(std::uint64_t word);  // of the lanes; 0 where there is none
unsigned own_lane();

template <typename T>
T exchange(T value, unsigned from) {
  std::uint64_t word = 0;
  static_assert(sizeof(T) <= sizeof(word));
  std::memcpy(&word, &value, sizeof(T));
  word = wait_for_warp(word).lane[from % 32];
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

}  // namespace edgert::fake

inline thread_local edgert::fake::Coordinates threadIdx, blockIdx, blockDim, gridDim;

inline void __syncthreads() {
  edgert::fake::wait_for_block(false);
}

inline int __syncthreads_or(int vote) {
  return edgert::fake::wait_for_block(vote != 0) ? 1 : 0;
}

inline void __syncwarp() {
  edgert::fake::wait_for_warp(0);
}

inline unsigned __ballot_sync(unsigned, bool vote) {
  const auto& words = edgert::fake::wait_for_warp(vote ? 1 : 0);
  unsigned mask = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    mask |= static_cast<unsigned>(words.lane[lane]) << lane;
  return mask;
}

inline bool __any_sync(unsigned mask, bool vote) {
  return __ballot_sync(mask, vote) != 0;
}

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  return edgert::fake::exchange(value, static_cast<unsigned>(lane));
}

template <typename T>
T __shfl_down_sync(unsigned, T value, int distance) {
  const unsigned from = edgert::fake::own_lane() + static_cast<unsigned>(distance);
  return edgert::fake::exchange(value, from < 32 ? from : edgert::fake::own_lane());
}

inline int __popc(unsigned value) {
  return __builtin_popcount(value);
}

inline int __ffs(int value) {
  return __builtin_ffs(value);
}

// Byte i of the result is that of the eight, `low` first, which digit i of `selector` names.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  const std::uint64_t bytes = std::uint64_t{high} << 32 | low;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const auto byte = static_cast<unsigned>(bytes >> 8 * (selector >> 4 * i & 7) & 0xff);
    result |= byte << 8 * i;
  }
  return result;
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned bits) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (bits & 31));
}

inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}

// Blocks run one after the other.
inline void __threadfence() {}

template <typename T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address += value;
  return before;
}

inline int atomicMin(int* address, int value) {
  const int before = *address;
  if (value < before) *address = value;
  return before;
}
