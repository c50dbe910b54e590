// Which of the best kWindow candidates each of them would suppress, one bit a pair: all pairs at
// once, so that what has to be done in order is only reading bits. Grid: x over words of 32
// candidates, y over rows.
#include "decode.h"

extern "C" __global__ void __launch_bounds__(edgert::kOverlapThreads)
    overlap_candidates(edgert::DecodeOptions options, edgert::DecodeScratch scratch) {
  using namespace edgert;
  __shared__ DetectedBox others[kWarpSize];
  __shared__ float areas[kWarpSize];
  const int thread = static_cast<int>(threadIdx.x), word = static_cast<int>(blockIdx.x);
  const int first = word * kWarpSize;
  const int found = scratch.total->candidates;
  const int candidates = found < kWindow ? found : kWindow;
  const int row = static_cast<int>(blockIdx.y) * kOverlapThreads + thread;
  // A candidate suppresses those after it: in its own word, and in later ones.
  const int rows = candidates < first + kWarpSize ? candidates : first + kWarpSize;
  if (found <= kFew || first >= candidates ||
      static_cast<int>(blockIdx.y) * kOverlapThreads >= rows)
    return;
  const int many = candidates - first < kWarpSize ? candidates - first : kWarpSize;
  if (thread < many) {
    others[thread] = scratch.window[first + thread];
    areas[thread] = area(others[thread].box);
  }
  __syncthreads();
  if (row >= rows) return;
  const DetectedBox own = scratch.window[row];
  const float own_area = area(own.box);
  unsigned bits = 0;
#pragma unroll 4
  for (int i = 0; i < many; ++i) {
    const bool later = first + i > row && others[i].class_id == own.class_id;
    if (later && iou(own.box, own_area, others[i].box, areas[i]) > options.nms_threshold)
      bits |= 1u << i;
  }
  scratch.overlaps[row * kWindowWords + word] = bits;
}
