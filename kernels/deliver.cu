// Detections to the memory that the host reads: in order and in whole lines, since it may lie
// behind a bus.
#pragma once

#include "decode.h"
#include "half.h"

namespace edgert {

struct alignas(16) Words {
  int value[4];
};

constexpr int kBoxWords = sizeof(DetectedBox) / sizeof(Words);

__device__ inline DetectedBox* boxes_of(DetectedBoxes* result) {
  return reinterpret_cast<DetectedBox*>(result + 1);
}

// Boxes number `first` to `end`, of which at(i) is where the i-th is.
template <typename At>
__device__ inline void deliver_boxes(DetectedBoxes* result, int first, int end, At at) {
  auto* const to = reinterpret_cast<Words*>(boxes_of(result));
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
#pragma unroll 1
  for (int i = first * kBoxWords + thread; i < end * kBoxWords; i += threads)
    to[i] = reinterpret_cast<const Words*>(at(i / kBoxWords))[i % kBoxWords];
}

// Likewise of all, what one-stage models say of their joints; and how many there are.
template <typename T, typename At>
__device__ inline void deliver_joints(const DetectorOutput& output, const DecodeOptions& options,
                                      DetectedBoxes* result, int kept, int dropped, At at) {
  auto* const to = reinterpret_cast<float*>(boxes_of(result) + options.max_detections);
  const int per_box = 3 * output.joints;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
#pragma unroll 1
  for (int i = thread; i < kept * per_box; i += threads) {
    const long long row = 4 + output.classes + i % per_box;
    const int anchor = at(i / per_box)->anchor;
    to[i] = widened(static_cast<const T*>(output.data)[row * output.anchors + anchor]);
  }
  if (thread == 0) *result = {kept, dropped, {0, 0}};
}

}  // namespace edgert
