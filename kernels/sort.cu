// Sorting keys ascending within one block, any number of them: a bitonic network, in shared memory
// where they fit.
#pragma once

#include "launch.h"

namespace edgert {

using Key = unsigned long long;

constexpr int kSharedKeys = 2048;
constexpr Key kLastKey = ~0ull;

__device__ inline int sort_thread() {
  return static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
}

// Compares keys[i] and keys[i + distance]; `first` is the place of keys[0] in the whole.
__device__ inline void sort_step(Key* keys, int count, int first, int run, int distance) {
#pragma unroll 1
  for (int p = sort_thread(); p < count / 2; p += kSortThreads) {
    const int i = 2 * p - (p & (distance - 1));
    const Key a = keys[i], b = keys[i + distance];
    const bool ascending = ((first + i) & run) == 0;
    if ((a > b) == ascending) keys[i] = b, keys[i + distance] = a;
  }
}

// The steps from `distance` down to 1. Up to 32, a warp's steps touch 64 neighbours that are its
// own alone: then it need not wait for the others.
__device__ __attribute__((noinline)) void sort_steps(Key* keys, int count, int first, int run,
                                                     int distance) {
  for (; distance > 0; distance /= 2) {
    sort_step(keys, count, first, run, distance);
    if (distance > 32) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }
}

__device__ inline void sort_runs(Key* keys, int count, int first) {
#pragma unroll 1
  for (int run = 2; run <= count; run *= 2) {
    if (run > 64) __syncthreads();
    sort_steps(keys, count, first, run, run / 2);
  }
  __syncthreads();
}

// Applies `work` to the keys piece by piece in shared memory.
template <typename Work>
__device__ inline void by_pieces(Key* keys, int count, Key* shared, Work work) {
#pragma unroll 1
  for (int first = 0; first < count; first += kSharedKeys) {
#pragma unroll 1
    for (int i = sort_thread(); i < kSharedKeys; i += kSortThreads) shared[i] = keys[first + i];
    __syncthreads();
    work(first);
    __syncthreads();
#pragma unroll 1
    for (int i = sort_thread(); i < kSharedKeys; i += kSortThreads) keys[first + i] = shared[i];
    __syncthreads();
  }
}

// `count`: a power of two, more than kSharedKeys.
__device__ inline void sort_many(Key* keys, int count, Key* shared) {
  by_pieces(keys, count, shared, [&](int first) { sort_runs(shared, kSharedKeys, first); });
#pragma unroll 1
  for (int run = 2 * kSharedKeys; run <= count; run *= 2) {
    for (int distance = run / 2; distance >= kSharedKeys; distance /= 2) {
      sort_step(keys, count, 0, run, distance);
      __syncthreads();
    }
    by_pieces(keys, count, shared,
              [&](int first) { sort_steps(shared, kSharedKeys, first, run, kSharedKeys / 2); });
  }
}

}  // namespace edgert
