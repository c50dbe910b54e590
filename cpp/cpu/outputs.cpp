#include "cpu/outputs.hpp"

#include <cstring>

#include "cpu/keypoints.hpp"
#include "half.h"
#include "scratch.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

EDGERT_MULTIVERSION
void widen_all(const std::uint16_t* __restrict halves, std::size_t count,
               float* __restrict output) {
  for (std::size_t i = 0; i < count; ++i) output[i] = from_half(halves[i]);
}

// The first `items` of a tensor as float: where they are, or widened into `memory`.
const float* as_float(const TensorView& tensor, std::size_t items, std::vector<float>& memory) {
  if (tensor.dtype == DType::kFloat32) return static_cast<const float*>(tensor.data);
  const std::size_t count = items * static_cast<std::size_t>(tensor.elements_per_item());
  float* output = reserve(memory, count);
  widen_all(static_cast<const std::uint16_t*>(tensor.data), count, output);
  return output;
}

}  // namespace

void OutputReader::decode_boxes(const TensorView& output, int classes, const BoxFilter& filter,
                                const Affine& to_frame, Detections& detections) {
  const int rows = static_cast<int>(output.shape[1]);
  const YoloHead head{as_float(output, 1, first_), classes, (rows - 4 - classes) / 3,
                      static_cast<int>(output.shape[2])};
  decoder_.decode(head, filter, to_frame, detections);
}

std::size_t OutputReader::decode_heatmaps(const TensorView& heatmaps, const TensorView* offsets,
                                          const HeatmapLayout& layout,
                                          std::span<const Affine> to_frame, float* keypoints,
                                          float* scores) {
  const std::size_t people = to_frame.size();
  const Heatmaps maps{as_float(heatmaps, people, first_),
                      offsets == nullptr ? nullptr : as_float(*offsets, people, second_),
                      static_cast<int>(people),
                      static_cast<int>(heatmaps.shape[1]),
                      static_cast<int>(heatmaps.shape[2]),
                      static_cast<int>(heatmaps.shape[3])};
  return cpu::decode_heatmaps(maps, layout, to_frame, keypoints, scores);
}

void read(const TensorView& output, std::size_t items, float* values) {
  const std::size_t count = items * static_cast<std::size_t>(output.elements_per_item());
  if (output.dtype == DType::kFloat32) {
    std::memcpy(values, output.data, count * sizeof(float));
  } else {
    widen_all(static_cast<const std::uint16_t*>(output.data), count, values);
  }
}

}  // namespace edgert::cpu
