// Candidates -> detections: sorted, and those dropped that overlap a better one of their class. One
// block of kSortThreads; the order in which it gathers does not show in what it writes.
#include "decode.h"
#include "sort.cu"

namespace edgert {

constexpr int kWarpSize = 32;
constexpr int kWarps = kSortThreads / kWarpSize;
static_assert(kSelectAnchors == kWarpSize, "a warp brings what a block of select_* found");

// What one warp's candidates suppress in those after them.
struct Round {
  Box box[kWarpSize];
  float area[kWarpSize];
  int class_id[kWarpSize];
  int count;
  int kept;  // of all rounds
};

struct alignas(16) Words {
  int value[4];
};

__device__ inline bool suppresses(Box by, float by_area, int by_class, Box box, float box_area,
                                  int class_id, float threshold) {
  return class_id == by_class && iou(by, by_area, box, box_area) > threshold;
}

__device__ inline int rounded_up(int count) {
  int power = 2;
  while (power < count) power *= 2;
  return power;
}

template <typename T>
__device__ inline T from_lane(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
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
    const int block = first + lane * kWarps + warp;
    const int count = block < blocks ? scratch.selections[block].candidates : 0;
    const int place = count > 0 ? atomicAdd(&taken, count) : 0;
    unsigned pending = __ballot_sync(0xffffffffu, count > 0);
    for (; pending != 0; pending &= pending - 1) {
      const int from = __ffs(static_cast<int>(pending)) - 1;
      const int many = from_lane(count, from), target = from_lane(place, from);
      const int source = (first + from * kWarps + warp) * kSelectAnchors;
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

// Fills scratch.kept and returns how many they are. Windows of one candidate a thread; within them
// one warp after the other resolves its own, then all later ones test theirs against what it kept.
__device__ inline int suppress(const Key* keys, int candidates, const DecodeOptions& options,
                               const DecodeScratch& scratch) {
  __shared__ Round rounds[2];  // in turns: one is read while the other is written
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarpSize;
  const float threshold = options.nms_threshold;
  int kept = 0, turn = 0;
#pragma unroll 1
  for (int first = 0; first < candidates && kept < options.max_detections; first += kSortThreads) {
    DetectedBox own{};
    bool alive = first + thread < candidates;
    if (alive) own = scratch.boxes[candidate_anchor(keys[first + thread])];
    const float own_area = area(own.box);
#pragma unroll 1
    for (int k = 0; k < kept; ++k) {  // of earlier windows
      const DetectedBox& by = scratch.kept[k];
      if (alive && suppresses(by.box, area(by.box), by.class_id, own.box, own_area, own.class_id,
                              threshold)) {
        alive = false;
      }
    }
    const int remaining = candidates - first;
    const int warps =
        (remaining < kSortThreads ? remaining + kWarpSize - 1 : kSortThreads) / kWarpSize;
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

template <typename T>
__device__ inline void decode(const DetectorOutput& output, const DecodeOptions& options,
                              const DecodeScratch& scratch, DetectedBoxes* result) {
  __shared__ Key shared[kSharedKeys];
  Selection total;
  const int blocks = (output.anchors + kSelectAnchors - 1) / kSelectAnchors;
  const Key* keys = gather(scratch, blocks, shared, total);
  const int kept = suppress(keys, total.candidates, options, scratch);

  // To the host, in order: it lies behind a bus that likes whole lines.
  const int thread = static_cast<int>(threadIdx.x);
  auto* const boxes = reinterpret_cast<DetectedBox*>(result + 1);
  constexpr int kWords = sizeof(DetectedBox) / sizeof(Words);
#pragma unroll 1
  for (int i = thread; i < kept * kWords; i += kSortThreads)
    reinterpret_cast<Words*>(boxes)[i] = reinterpret_cast<const Words*>(scratch.kept)[i];
  auto* const joints = reinterpret_cast<float*>(boxes + options.max_detections);
  const int per_box = 3 * output.joints;
#pragma unroll 1
  for (int i = thread; i < kept * per_box; i += kSortThreads) {
    const long long row = 4 + output.classes + i % per_box;
    const int anchor = scratch.kept[i / per_box].anchor;
    joints[i] = widened(static_cast<const T*>(output.data)[row * output.anchors + anchor]);
  }
  if (thread == 0) *result = {kept, total.dropped, {0, 0}};
}

}  // namespace edgert

#define EDGERT_SUPPRESS(type, in)                                                   \
  extern "C" __global__ void __launch_bounds__(edgert::kSortThreads, 1)             \
      suppress_##in(edgert::DetectorOutput output, edgert::DecodeOptions options,   \
                    edgert::DecodeScratch scratch, edgert::DetectedBoxes* result) { \
    edgert::decode<type>(output, options, scratch, result);                         \
  }

EDGERT_SUPPRESS(float, f32)
EDGERT_SUPPRESS(unsigned short, f16)
#undef EDGERT_SUPPRESS
