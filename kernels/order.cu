// Candidates in their order: one block of kSortThreads sorts their keys, and brings the boxes of the
// best kWindow together. The order in which it gathers does not show in what it writes.
#include "decode.h"
#include "lanes.h"
#include "sort.cu"

namespace edgert {

constexpr int kSortWarps = kSortThreads / kWarpSize;
static_assert(kSelectAnchors == kWarpSize, "a warp brings what a block of select_* found");

__device__ inline int rounded_up(int count) {
  int power = 2;
  while (power < count) power *= 2;
  return power;
}

// Brings all candidates' keys to `shared` or, where they are more, to `scratch.sorted`, in order.
__device__ inline const Key* gather(const DecodeScratch& scratch, int blocks, Key* shared,
                                    Selection& total) {
  __shared__ int found, dropped, taken;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarpSize, lane = thread % kWarpSize;
  if (thread == 0) found = dropped = taken = 0;
  __syncthreads();
#pragma unroll 1
  for (int b = thread; b < blocks; b += kSortThreads) {
    const Selection selection = scratch.selections[b];
    if (selection.candidates > 0) atomicAdd(&found, selection.candidates);
    if (selection.dropped > 0) atomicAdd(&dropped, selection.dropped);
  }
  __syncthreads();
  total = {found, dropped};
  const int padded = rounded_up(found);
  Key* const keys = padded <= kSharedKeys ? shared : scratch.sorted;
  // A warp brings the candidates of every 32nd block, since those of one person are neighbours.
#pragma unroll 1
  for (int first = 0; first < blocks; first += kSortThreads) {
    const int block = first + lane * kSortWarps + warp;
    const int count = block < blocks ? scratch.selections[block].candidates : 0;
    const int place = count > 0 ? atomicAdd(&taken, count) : 0;
    unsigned pending = __ballot_sync(0xffffffffu, count > 0);
    for (; pending != 0; pending &= pending - 1) {
      const int from = __ffs(static_cast<int>(pending)) - 1;
      const int many = from_lane(count, from), target = from_lane(place, from);
      const int source = (first + from * kSortWarps + warp) * kSelectAnchors;
      if (lane < many) keys[target + lane] = scratch.keys[source + lane];
    }
  }
#pragma unroll 1
  for (int i = found + thread; i < padded; i += kSortThreads) keys[i] = kLastKey;
  __syncthreads();
  if (padded <= kSharedKeys) {
    sort_runs(keys, padded, 0);
  } else {
    sort_many(keys, padded, shared);
  }
  return keys;
}

}  // namespace edgert

extern "C" __global__ void __launch_bounds__(edgert::kSortThreads, 1)
    order_candidates(int anchors, edgert::DecodeScratch scratch) {
  using namespace edgert;
  __shared__ Key shared[kSharedKeys];
  Selection total;
  const int blocks = (anchors + kSelectAnchors - 1) / kSelectAnchors;
  const Key* keys = gather(scratch, blocks, shared, total);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) *scratch.total = total;
  if (thread < kWindow && thread < total.candidates)
    scratch.window[thread] = scratch.boxes[candidate_anchor(keys[thread])];
  // What comes after the window is looked at where that is not enough.
  if (keys == shared) {
#pragma unroll 1
    for (int i = kWindow + thread; i < total.candidates; i += kSortThreads)
      scratch.sorted[i] = keys[i];
  }
}
