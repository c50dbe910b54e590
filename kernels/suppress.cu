// Many candidates -> detections. Grid: x over words of 32 of the best kWindow candidates, y over
// the candidates after them; each thread looks at a quarter of a word. The block that ends last
// comes to the verdicts. Where they were few it is done: nobody does anything.
#include "decode.h"
#include "deliver.cu"
#include "last_block.cu"
#include "later.cu"
#include "verdicts.cu"

namespace edgert {

constexpr int kQuarter = kWarpSize / 4;

// Which of the 32 candidates from `first` on each of kOverlapRows others overlaps, if it is worse.
__device__ inline void find_overlaps(const DecodeOptions& options, const DecodeScratch& scratch,
                                     int candidates) {
  __shared__ DetectedBox better[kWarpSize];
  __shared__ float areas[kWarpSize];
  __shared__ unsigned char quarters[kOverlapRows][4];
  const int thread = static_cast<int>(threadIdx.x);
  const int word = static_cast<int>(blockIdx.x), first = word * kWarpSize;
  const int rows = static_cast<int>(blockIdx.y) * kOverlapRows;
  if (first >= candidates || rows >= candidates || rows + kOverlapRows <= first) return;
  const int many = candidates - first < kWarpSize ? candidates - first : kWarpSize;
  if (thread < many) {
    better[thread] = scratch.window[first + thread];
    areas[thread] = area(better[thread].box);
  }
  const int row = thread % kOverlapRows, quarter = thread / kOverlapRows;
  const int index = rows + row;
  DetectedBox own{};
  if (index < candidates) own = scratch.window[index];
  const float own_area = area(own.box);
  const IouTest test(options.nms_threshold);
  __syncthreads();
  unsigned bits = 0, unclear = 0;
#pragma unroll
  for (int k = 0; k < kQuarter; ++k) {
    const int i = quarter * kQuarter + k;
    const bool worse = i < many && first + i < index && better[i].class_id == own.class_id;
    const Overlap found = overlap(own.box, own_area, better[i].box, areas[i]);
    const bool over = worse && test.clearly_over(found);
    bits |= over ? 1u << k : 0;
    unclear |= worse && !over && !test.clearly_not(found) ? 1u << k : 0;
  }
#pragma unroll 1
  for (int k = 0; unclear != 0; ++k, unclear >>= 1) {
    const int i = quarter * kQuarter + k;
    if ((unclear & 1) != 0 && test.divided(overlap(own.box, own_area, better[i].box, areas[i])))
      bits |= 1u << k;
  }
  quarters[row][quarter] = static_cast<unsigned char>(bits);
  __syncthreads();
  if (quarter == 0 && index < candidates) {
    const auto* const four = quarters[row];
    scratch.overlaps[word * kWindow + index] = four[0] | static_cast<unsigned>(four[1]) << 8 |
                                               static_cast<unsigned>(four[2]) << 16 |
                                               static_cast<unsigned>(four[3]) << 24;
  }
}

template <typename T>
__device__ inline void suppress(const DetectorOutput& output, const DecodeOptions& options,
                                const DecodeScratch& scratch, DetectedBoxes* result) {
  __shared__ int places[kWindow];
  const int thread = static_cast<int>(threadIdx.x);
  const Selection total = *scratch.total;
  if (total.candidates <= kFew) return;  // settled
  const int candidates = total.candidates < kWindow ? total.candidates : kWindow;
  find_overlaps(options, scratch, candidates);
  const int blocks = static_cast<int>(gridDim.x * gridDim.y);
  if (after_block(scratch.overlaps_done, 1) != blocks) return;
  if (thread == 0) *scratch.overlaps_done = 0;  // for the next frame

  const bool there = thread < candidates;
  unsigned earlier[kWindowWords];
#pragma unroll
  for (int w = 0; w < kWindowWords; ++w)
    earlier[w] = there && w * kWarpSize <= thread ? scratch.overlaps[w * kWindow + thread] : 0;
  const unsigned* verdict = verdicts(earlier, there);
  int kept = list_kept<kWindowWords>(verdict, options.max_detections, places);
  const auto in_window = [&](int i) { return &scratch.window[places[i]]; };
  deliver_boxes(result, 0, kept, in_window);
  if (total.candidates > kWindow && kept < options.max_detections) {
    const int before = kept;
#pragma unroll 1
    for (int i = thread; i < kept; i += kSuppressThreads) scratch.kept[i] = *in_window(i);
    __syncthreads();
    kept = suppress_later(total.candidates, kept, options, scratch);
    const auto in_kept = [&](int i) { return &scratch.kept[i]; };
    deliver_boxes(result, before, kept, in_kept);
    deliver_joints<T>(output, options, result, kept, total.dropped, in_kept);
  } else {
    deliver_joints<T>(output, options, result, kept, total.dropped, in_window);
  }
}

}  // namespace edgert

#define EDGERT_SUPPRESS(type, in)                                                   \
  extern "C" __global__ void __launch_bounds__(edgert::kSuppressThreads, 1)         \
      suppress_##in(edgert::DetectorOutput output, edgert::DecodeOptions options,   \
                    edgert::DecodeScratch scratch, edgert::DetectedBoxes* result) { \
    edgert::suppress<type>(output, options, scratch, result);                       \
  }

EDGERT_SUPPRESS(float, f32)
EDGERT_SUPPRESS(unsigned short, f16)
#undef EDGERT_SUPPRESS
