// Overlaps as bits -> who is kept, in order.
#pragma once

#include "lanes.h"
#include "launch.h"

namespace edgert {

struct alignas(16) Words {
  int value[4];
};

// One warp: writes the places of those that are kept, at most `most`, and returns how many they
// are. `overlaps`: kRowWords words a candidate, with a bit for each that it would suppress. Lane l
// holds which candidates of word l are suppressed so far, and its word of the rows that are looked
// at; the rows of the next 32 candidates come while those of these are resolved.
template <int kRowWords>
__device__ inline int read_off(const unsigned* overlaps, int candidates, int most, int* places) {
  const int lane = static_cast<int>(threadIdx.x);
  const int words = (candidates + kWarpSize - 1) / kWarpSize;
  unsigned rows[kWarpSize], next[kWarpSize], own = 0, next_own = 0, suppressed = 0;
  const auto bring = [&](int word, unsigned (&to)[kWarpSize], unsigned& diagonal) {
    const unsigned* first = overlaps + word * kWarpSize * kRowWords;
    const bool later = lane >= word && lane < words;
#pragma unroll
    for (int r = 0; r < kWarpSize; ++r) {
      const bool there = later && word * kWarpSize + r < candidates;
      to[r] = there ? first[r * kRowWords + lane] : 0;
    }
    diagonal = word * kWarpSize + lane < candidates ? first[lane * kRowWords + word] : 0;
  };
  int kept = 0;
  bring(0, rows, own);
#pragma unroll 1
  for (int word = 0; word < words && kept < most; ++word) {
    if (word + 1 < words) bring(word + 1, next, next_own);
    const int many = candidates - word * kWarpSize;
    const unsigned there = many < kWarpSize ? (1u << many) - 1 : ~0u;
    unsigned pending = there & ~from_lane(suppressed, word), keep = 0;
    for (int room = most - kept; pending != 0 && room > 0; --room) {
      const int leader = __ffs(static_cast<int>(pending)) - 1;
      keep |= 1u << leader;
      pending &= ~(1u << leader) & ~from_lane(own, leader);
    }
    if (keep >> lane & 1)
      places[kept + __popc(keep & ((1u << lane) - 1))] = word * kWarpSize + lane;
    kept += __popc(keep);
#pragma unroll
    for (int r = 0; r < kWarpSize; ++r) {
      suppressed |= keep >> r & 1 ? rows[r] : 0;
      rows[r] = next[r];
    }
    own = next_own;
  }
  return kept;
}

}  // namespace edgert
