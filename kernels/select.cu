// Detector output -> candidates: each anchor's best class, if it is wanted and scores enough. One
// block looks at kSelectAnchors anchors (x), their classes dealt out over kSelectSlices threads
// (y). The block that ends last settles what becomes of them where they are few, as they mostly
// are; many it brings into their order, for the kernel that follows, which else ends at once.
#include "decode.h"
#include "half.h"
#include "lanes.h"
#include "last_block.cu"
#include "order.cu"
#include "settle.cu"

namespace edgert {

// Returns the block's tally, in its first thread.
template <typename T>
__device__ inline unsigned long long select(const DetectorOutput& output,
                                            const DecodeOptions& options,
                                            const DecodeScratch& scratch) {
  __shared__ float best_of[kSelectSlices][kSelectAnchors];
  __shared__ int class_of[kSelectSlices][kSelectAnchors];
  __shared__ float zero_of[kSelectSlices][kSelectAnchors];
  const int lane = static_cast<int>(threadIdx.x), slice = static_cast<int>(threadIdx.y);
  const int anchor = static_cast<int>(blockIdx.x) * kSelectAnchors + lane;
  const bool inside = anchor < output.anchors;
  const T* column = static_cast<const T*>(output.data) + (inside ? anchor : 0);
  const auto at = [&](int row) {
    return widened(load(column + static_cast<long long>(row) * output.anchors));
  };

  // 0 * value is NaN for infinities and NaNs, and a sum keeps it.
  float best = float_of(0xff800000u), zero = slice < 4 ? 0.0f * at(slice) : 0.0f;
  int best_class = 0;
#pragma unroll 10
  for (int c = slice; c < output.classes; c += kSelectSlices) {
    const float score = at(4 + c);
    if (best < score) best = score, best_class = c;
    zero += 0.0f * score;
  }
  best_of[slice][lane] = best, class_of[slice][lane] = best_class, zero_of[slice][lane] = zero;
  __syncthreads();

  // Every slice comes to the same end, so that all of them can look at a candidate's joints.
  best = best_of[0][lane], best_class = class_of[0][lane], zero = zero_of[0][lane];
  for (int s = 1; s < kSelectSlices; ++s) {
    const float score = best_of[s][lane];
    const int c = class_of[s][lane];
    if (best < score || (best == score && c < best_class)) best = score, best_class = c;
    zero += zero_of[s][lane];
  }
  bool dropped = zero != 0.0f;
  bool candidate = !dropped && best >= options.score_threshold;
  if (output.joints > 0) {
    __syncthreads();
    float joints_zero = 0.0f;
    for (int row = slice; candidate && row < 3 * output.joints; row += kSelectSlices) {
      joints_zero += 0.0f * at(4 + output.classes + row);
    }
    zero_of[slice][lane] = joints_zero;
    __syncthreads();
    if (slice == 0) {
      for (int s = 1; s < kSelectSlices; ++s) joints_zero += zero_of[s][lane];
      dropped |= candidate && joints_zero != 0.0f;
      candidate &= !dropped;
    }
  }
  if (slice != 0) return 0;

  candidate &= inside && (options.wanted_classes == nullptr || options.wanted_classes[best_class]);
  const float width = at(2), height = at(3);
  candidate &= width > 0.0f && height > 0.0f;
  const unsigned chosen = __ballot_sync(0xffffffffu, candidate);
  const unsigned broken = __ballot_sync(0xffffffffu, dropped && inside);
  const int many = __popc(chosen);
  int first = 0;
  if (lane == 0 && many > 0) first = atomicAdd(&scratch.progress->candidates, many);
  first = from_lane(first, 0);
  if (candidate) {
    const int place = first + __popc(chosen & ((1u << lane) - 1));
    const DetectedBox box{box_from_center(at(0), at(1), width, height), best, best_class, anchor,
                          0};
    scratch.keys[place] = candidate_key(best, anchor);
    scratch.boxes[anchor] = box;
    if (place < kFew) scratch.arrived[place] = box;
  }
  return Tally::of_block(many, __popc(broken));
}

template <typename T>
__device__ inline void decode(const DetectorOutput& output, const DecodeOptions& options,
                              const DecodeScratch& scratch, DetectedBoxes* result) {
  const auto own = select<T>(output, options, scratch);
  const auto tally = after_block(&scratch.progress->done, own);
  if (Tally::blocks(tally) != static_cast<int>(gridDim.x)) return;
  const Selection total = Tally::found(tally);
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    *scratch.progress = {};  // for the next frame
    *scratch.total = total;
  }
  __shared__ union {
    SettleSpace settle;
    Key keys[kSharedKeys];
  } space;
  if (total.candidates <= kFew) {
    settle<T>(output, options, scratch, total, space.settle, result);
  } else {
    order(scratch, total.candidates, space.keys);
  }
}

}  // namespace edgert

#define EDGERT_SELECT(type, in)                                                   \
  extern "C" __global__ void __launch_bounds__(edgert::kSelectThreads, 4)         \
      select_##in(edgert::DetectorOutput output, edgert::DecodeOptions options,   \
                  edgert::DecodeScratch scratch, edgert::DetectedBoxes* result) { \
    edgert::decode<type>(output, options, scratch, result);                       \
  }

EDGERT_SELECT(float, f32)
EDGERT_SELECT(unsigned short, f16)
#undef EDGERT_SELECT
