// Many candidates in their order: one block of kSortThreads sorts their keys, and brings the boxes
// of the best kWindow together. They come in any order; none of it shows in what is written.
#pragma once

#include "decode.h"
#include "sort.cu"

namespace edgert {

__device__ inline int rounded_up(int count) {
  int power = 2;
  while (power < count) power *= 2;
  return power;
}

// All candidates' keys in order, in `shared` or, where they are more, where they are.
__device__ inline const Key* in_order(Key* keys, int candidates, Key* shared) {
  const int thread = sort_thread();
  const int padded = rounded_up(candidates);
  Key* const target = padded <= kSharedKeys ? shared : keys;
#pragma unroll 1
  for (int i = thread; i < padded; i += kSortThreads) {
    if (target != keys || i >= candidates) target[i] = i < candidates ? keys[i] : kLastKey;
  }
  __syncthreads();
  if (target == shared) {
    sort_runs(target, padded, 0);
  } else {
    sort_many(target, padded, shared);
  }
  return target;
}

__device__ inline void order(const DecodeScratch& scratch, int candidates, Key* shared) {
  const Key* keys = in_order(scratch.keys, candidates, shared);
  const int thread = sort_thread();
#pragma unroll 1
  for (int i = thread; i < kWindow && i < candidates; i += kSortThreads)
    scratch.window[i] = scratch.boxes[candidate_anchor(keys[i])];
  // What comes after the window is looked at where that is not enough.
  if (keys != shared) return;
#pragma unroll 1
  for (int i = kWindow + thread; i < candidates; i += kSortThreads) scratch.keys[i] = keys[i];
}

}  // namespace edgert
