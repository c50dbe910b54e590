// Which candidates overlap which better ones -> who is kept. Going through them in order is a chain
// as long as they are many; instead all decide at once, in rounds: who overlaps one that is kept is
// dropped, who overlaps none that may yet be kept is kept. Chains of such dependences are short.
#pragma once

#include "lanes.h"
#include "launch.h"

namespace edgert {

// Bits of all candidates, in the order of their scores.
template <int kWords>
struct Verdicts {
  unsigned kept[kWords], dropped[kWords];
};

// Of a block of at least 32 * kWords threads, the first ones with a candidate each, if `there`.
// `earlier`: which of the better ones it overlaps. Returns the same in every thread, in memory of
// the block.
template <int kWords>
__device__ inline const unsigned* verdicts(const unsigned (&earlier)[kWords], bool there) {
  __shared__ Verdicts<kWords> rounds[2];  // in turns: one is read while the other is written
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int warp = thread / kWarpSize;
  bool kept = false, dropped = false;
  if (thread < kWords) rounds[0].kept[thread] = rounds[0].dropped[thread] = 0;
  __syncthreads();
#pragma unroll 1
  for (int turn = 0;; turn ^= 1) {
    const Verdicts<kWords>& known = rounds[turn];
    unsigned by_kept = 0, by_open = 0;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      if (w > warp) break;
      by_kept |= earlier[w] & known.kept[w];
      by_open |= earlier[w] & ~known.dropped[w];
    }
    dropped = there && by_kept != 0;
    kept = there && by_open == 0;
    const unsigned kept_bits = __ballot_sync(0xffffffffu, kept);
    const unsigned dropped_bits = __ballot_sync(0xffffffffu, dropped);
    if (thread % kWarpSize == 0 && warp < kWords) {
      rounds[turn ^ 1].kept[warp] = kept_bits;
      rounds[turn ^ 1].dropped[warp] = dropped_bits;
    }
    if (!__syncthreads_or(there && !kept && !dropped)) return rounds[turn ^ 1].kept;
  }
}

// The places of the kept ones, at most `most`, in order; returns how many they are.
template <int kWords>
__device__ inline int list_kept(const unsigned* kept, int most, int* places) {
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int warp = thread / kWarpSize;
  const unsigned before = (1u << thread % kWarpSize) - 1;
  int place = 0, count = 0;
#pragma unroll 4
  for (int w = 0; w < kWords; ++w) {
    const unsigned word = kept[w];
    if (w <= warp) place += __popc(w < warp ? word : word & before);
    count += __popc(word);
  }
  const bool own = warp < kWords && (kept[warp] >> thread % kWarpSize & 1) != 0;
  if (own && place < most) places[place] = thread;
  __syncthreads();
  return count < most ? count : most;
}

}  // namespace edgert
