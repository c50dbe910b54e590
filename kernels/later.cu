// Candidates after the best kWindow, which are looked at where the window did not give enough
// detections.
#pragma once

#include "decode.h"
#include "lanes.h"

namespace edgert {

// What one warp's candidates suppress in those after them.
struct Round {
  Box box[kWarpSize];
  float area[kWarpSize];
  int class_id[kWarpSize];
  int count;
  int kept;  // of all rounds
};

__device__ inline bool suppresses(Box by, float by_area, int by_class, Box box, float box_area,
                                  int class_id, float threshold) {
  return class_id == by_class && iou(by, by_area, box, box_area) > threshold;
}

// The candidates of one warp, in order: who is kept, and which of those after it go. `kept` is
// the number of those before.
__device__ inline void resolve(const DetectedBox& own, float own_area, bool alive, int kept,
                               const DecodeOptions& options, DetectedBox* output, Round& round) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  int count = 0;
  unsigned pending = __ballot_sync(0xffffffffu, alive);
  while (pending != 0 && kept + count < options.max_detections) {
    const int leader = __ffs(static_cast<int>(pending)) - 1;
    const Box by{from_lane(own.box.x1, leader), from_lane(own.box.y1, leader),
                 from_lane(own.box.x2, leader), from_lane(own.box.y2, leader)};
    const float by_area = from_lane(own_area, leader);
    const int by_class = from_lane(own.class_id, leader);
    if (lane == leader) {
      output[kept + count] = own;
      round.box[count] = by;
      round.area[count] = by_area;
      round.class_id[count] = by_class;
      alive = false;
    } else if (alive && suppresses(by, by_area, by_class, own.box, own_area, own.class_id,
                                   options.nms_threshold)) {
      alive = false;
    }
    ++count;
    pending = __ballot_sync(0xffffffffu, alive);
  }
  if (lane == 0) round.count = count, round.kept = kept + count;
}

// Those after the best kWindow, where they are looked at: adds to the `kept` of scratch.kept and
// returns how many they are then. Pieces of one candidate a thread; within them one warp after the
// other resolves its own, then all later ones test theirs against what it kept.
__device__ inline int suppress_later(int candidates, int kept, const DecodeOptions& options,
                                     const DecodeScratch& scratch) {
  __shared__ Round rounds[2];  // in turns: one is read while the other is written
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarpSize;
  const float threshold = options.nms_threshold;
  int turn = 0;
#pragma unroll 1
  for (int first = kWindow; first < candidates && kept < options.max_detections;
       first += kSuppressThreads) {
    DetectedBox own{};
    bool alive = first + thread < candidates;
    if (alive) own = scratch.boxes[candidate_anchor(scratch.keys[first + thread])];
    const float own_area = area(own.box);
#pragma unroll 1
    for (int k = 0; k < kept; ++k) {  // of the pieces before
      const DetectedBox& by = scratch.kept[k];
      if (alive && suppresses(by.box, area(by.box), by.class_id, own.box, own_area, own.class_id,
                              threshold)) {
        alive = false;
      }
    }
    const int remaining = candidates - first;
    const int warps =
        (remaining < kSuppressThreads ? remaining + kWarpSize - 1 : kSuppressThreads) / kWarpSize;
    for (int w = 0; w < warps && kept < options.max_detections; ++w, ++turn) {
      Round& round = rounds[turn % 2];
      if (warp == w) resolve(own, own_area, alive, kept, options, scratch.kept, round);
      __syncthreads();
      kept = round.kept;
#pragma unroll 1
      for (int k = 0; warp > w && k < round.count; ++k) {
        if (alive && suppresses(round.box[k], round.area[k], round.class_id[k], own.box, own_area,
                                own.class_id, threshold)) {
          alive = false;
        }
      }
    }
  }
  __syncthreads();
  return kept;
}

}  // namespace edgert
