// A few candidates -> detections, by one block: placed by counting those that come before each,
// then dropped where they overlap a better one of their class.
#pragma once

#include "decode.h"
#include "deliver.cu"
#include "lanes.h"
#include "verdicts.cu"

namespace edgert {

constexpr int kFewWords = kFew / kWarpSize;
constexpr int kSelectWarps = kSelectThreads / kWarpSize;
static_assert(kFew <= kSelectThreads, "a thread for each");

// The block's memory for it.
struct SettleSpace {
  unsigned long long keys[kFew];
  DetectedBox boxes[kFew];
  float areas[kFew];
  unsigned overlaps[kFew][kFewWords + 1];  // one more: threads read rows side by side
  int places[kFew];
};

// Which of 32 candidates, `better` and `by` this lane's, `kRows` worse ones overlap: rows `first`
// and on, a block's warps apart.
template <int kRows>
__device__ inline void look_up(const IouTest& test, SettleSpace& space, const DetectedBox& by,
                               float by_area, int better, int first, int candidates) {
  const int lane = better % kWarpSize, word = better / kWarpSize;
  const auto overlap_of = [&](int row) {
    const DetectedBox& box = space.boxes[row];
    const bool worse = better < row && box.class_id == by.class_id;
    const Overlap found = overlap(box.box, space.areas[row], by.box, by_area);
    return worse ? found : Overlap{0.0f, 1.0f};
  };
  bool unclear = false;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = first + r * kSelectWarps;
    const Overlap found = overlap_of(row < candidates ? row : candidates - 1);
    const bool over = test.clearly_over(found);
    unclear |= !over && !test.clearly_not(found);
    const unsigned bits = __ballot_sync(0xffffffffu, over);
    if (lane == 0 && row < candidates) space.overlaps[row][word] = bits;
  }
  if (!__any_sync(0xffffffffu, unclear)) return;
  const int end = clamp(first + kRows * kSelectWarps, 0, candidates);
#pragma unroll 1
  for (int row = first; row < end; row += kSelectWarps) {
    const unsigned bits = __ballot_sync(0xffffffffu, test.divided(overlap_of(row)));
    if (lane == 0) space.overlaps[row][word] = bits;
  }
}

template <typename T>
__device__ inline void settle(const DetectorOutput& output, const DecodeOptions& options,
                              const DecodeScratch& scratch, const Selection& total,
                              SettleSpace& space, DetectedBoxes* result) {
  auto& [keys, boxes, areas, overlaps, places] = space;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  const int lane = thread % kWarpSize, warp = thread / kWarpSize;
  const int candidates = total.candidates;
  const bool there = thread < candidates;
  unsigned long long own_key = 0;
  DetectedBox own_box;
  if (there) {
    own_key = keys[thread] = scratch.keys[thread];
    own_box = scratch.arrived[thread];
  }
  __syncthreads();
  if (there) {
    int before = 0;
#pragma unroll 8
    for (int i = 0; i < candidates; ++i) before += keys[i] < own_key ? 1 : 0;
    boxes[before] = own_box;
    areas[before] = area(own_box.box);
  }
  __syncthreads();

  // A warp looks at 32 better ones of a few candidates at a time; a last one by itself. Who has one
  // more to look at is another half of the warps for every other word.
  const IouTest test(options.nms_threshold);
  constexpr int kRows = 4;
#pragma unroll 1
  for (int word = 0; word * kWarpSize < candidates; ++word) {
    const int better = word * kWarpSize + lane;
    DetectedBox by{};
    if (better < candidates) by = boxes[better];
    const float by_area = area(by.box);
    int row = word * kWarpSize + (warp + word * (kSelectWarps / 2)) % kSelectWarps;
#pragma unroll 1
    for (; row < candidates; row += kRows * kSelectWarps) {
      if (row + kSelectWarps < candidates) {
        look_up<kRows>(test, space, by, by_area, better, row, candidates);
      } else {
        look_up<1>(test, space, by, by_area, better, row, candidates);
      }
    }
  }
  __syncthreads();
  unsigned earlier[kFewWords];
#pragma unroll
  for (int w = 0; w < kFewWords; ++w) {
    // Of a later word nobody has looked.
    earlier[w] = there && w <= warp ? overlaps[thread][w] : 0;
  }
  const unsigned* verdict = verdicts(earlier, there);
  const int kept = list_kept<kFewWords>(verdict, options.max_detections, places);
  const auto at = [&space](int i) { return &space.boxes[space.places[i]]; };
  deliver_boxes(result, 0, kept, at);
  deliver_joints<T>(output, options, result, kept, total.dropped, at);
}

}  // namespace edgert
