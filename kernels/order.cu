// Many candidates in their order: one block of kSortThreads sorts their keys, and brings the boxes
// of the best kWindow together. They come in any order; none of it shows in what is written.
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
  const int thread = static_cast<int>(threadIdx.x);
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

}  // namespace edgert

extern "C" __global__ void __launch_bounds__(edgert::kSortThreads, 1)
    order_candidates(edgert::DecodeScratch scratch) {
  using namespace edgert;
  __shared__ Key shared[kSharedKeys];
  const int candidates = scratch.total->candidates;
  if (candidates <= kFew) return;  // settled
  const Key* keys = in_order(scratch.keys, candidates, shared);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < kWindow && thread < candidates)
    scratch.window[thread] = scratch.boxes[candidate_anchor(keys[thread])];
  // What comes after the window is looked at where that is not enough.
  if (keys == shared) {
#pragma unroll 1
    for (int i = kWindow + thread; i < candidates; i += kSortThreads) scratch.keys[i] = keys[i];
  }
}
