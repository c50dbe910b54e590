// A few candidates -> detections, by one block: placed by counting those that come before each,
// then dropped where they overlap a better one of their class.
#include "decode.h"
#include "half.h"
#include "lanes.h"
#include "read_off.cu"

namespace edgert {

constexpr int kFewWords = kFew / kWarpSize;

// Whether all other blocks are done, so that this one sees all that they wrote. For every thread.
__device__ inline bool last_block(const DecodeScratch& scratch) {
  __shared__ bool last;
  const bool first_thread = threadIdx.x == 0 && threadIdx.y == 0;
  __threadfence();
  __syncthreads();
  if (first_thread)
    last = atomicAdd(&scratch.progress->blocks_done, 1) == static_cast<int>(gridDim.x) - 1;
  __syncthreads();
  if (!last) return false;
  __threadfence();
  return true;
}

template <typename T>
__device__ inline void settle(const DetectorOutput& output, const DecodeOptions& options,
                              const DecodeScratch& scratch, DetectedBoxes* result) {
  __shared__ unsigned long long keys[kFew];
  __shared__ DetectedBox boxes[kFew];
  __shared__ float areas[kFew];
  __shared__ unsigned overlaps[kFew][kFewWords];
  __shared__ int places[kFew];
  __shared__ int kept_in_all;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const auto* progress = static_cast<const volatile Progress*>(scratch.progress);
  const Selection total{progress->found.candidates, progress->found.dropped};
  __syncthreads();
  if (thread == 0) {
    *scratch.progress = {};  // for the next frame
    *scratch.total = total;
  }
  const int candidates = total.candidates;
  if (candidates > kFew) return;

  // A block has a thread for each.
  if (thread < candidates) keys[thread] = scratch.keys[thread];
  __syncthreads();
  if (thread < candidates) {
    const unsigned long long own = keys[thread];
    const DetectedBox box = scratch.boxes[candidate_anchor(own)];
    int before = 0;
#pragma unroll 8
    for (int i = 0; i < candidates; ++i) before += keys[i] < own ? 1 : 0;
    boxes[before] = box;
    areas[before] = area(box.box);
  }
  __syncthreads();
  const int words = (candidates + kWarpSize - 1) / kWarpSize;
#pragma unroll 1
  for (int task = thread; task < candidates * words; task += kSelectThreads) {
    const int row = task % candidates, word = task / candidates, first = word * kWarpSize;
    const int end = candidates < first + kWarpSize ? candidates : first + kWarpSize;
    const DetectedBox own = boxes[row];
    const float own_area = areas[row];
    unsigned bits = 0;
    for (int i = row + 1 > first ? row + 1 : first; i < end; ++i) {
      if (boxes[i].class_id == own.class_id &&
          iou(own.box, own_area, boxes[i].box, areas[i]) > options.nms_threshold)
        bits |= 1u << (i - first);
    }
    overlaps[row][word] = bits;
  }
  __syncthreads();
  if (thread < kWarpSize) {
    const int count =
        read_off<kFewWords>(&overlaps[0][0], candidates, options.max_detections, places);
    if (thread == 0) kept_in_all = count;
  }
  __syncthreads();
  const int kept = kept_in_all;

  // To the host, in order: it lies behind a bus that likes whole lines.
  auto* const out = reinterpret_cast<DetectedBox*>(result + 1);
  constexpr int kWords = sizeof(DetectedBox) / sizeof(Words);
#pragma unroll 1
  for (int i = thread; i < kept * kWords; i += kSelectThreads) {
    reinterpret_cast<Words*>(out)[i] =
        reinterpret_cast<const Words*>(boxes + places[i / kWords])[i % kWords];
  }
  auto* const joints = reinterpret_cast<float*>(out + options.max_detections);
  const int per_box = 3 * output.joints;
#pragma unroll 1
  for (int i = thread; i < kept * per_box; i += kSelectThreads) {
    const long long row = 4 + output.classes + i % per_box;
    const int anchor = boxes[places[i / per_box]].anchor;
    joints[i] = widened(static_cast<const T*>(output.data)[row * output.anchors + anchor]);
  }
  if (thread == 0) *result = {kept, total.dropped, {0, 0}};
}

}  // namespace edgert
