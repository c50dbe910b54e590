// 1 - cosine of the angle between every row of one matrix and every row of another: one warp a row
// of the first and kCosineColumns rows of the second.
// Grid: x over the first's rows, y over the second's in steps of kCosineColumns * blockDim.y.
#include "launch.h"

namespace edgert {

__device__ inline float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __shfl_down_sync(0xffffffffu, value, distance);
  return value;
}

}  // namespace edgert

extern "C" __global__ void __launch_bounds__(32 * edgert::kCosineWarps)
    cosine_f32(const float* a, const float* b, int rows_b, int width, float* distances) {
  using edgert::kCosineColumns;
  using edgert::warp_sum;
  const int lane = static_cast<int>(threadIdx.x);
  const int first = kCosineColumns * static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const float* const row_a = a + static_cast<long long>(blockIdx.x) * width;
  const float* row_b[kCosineColumns];
  for (int k = 0; k < kCosineColumns; ++k) {  // the last rows may be looked at twice
    const int row = first + k < rows_b ? first + k : rows_b - 1;
    row_b[k] = b + static_cast<long long>(row) * width;
  }
  float squares_a = 0.0f, squares_b[kCosineColumns] = {}, dots[kCosineColumns] = {};
#pragma unroll 4
  for (int i = lane; i < width; i += 32) {
    const float value_a = row_a[i];
    squares_a += value_a * value_a;
    for (int k = 0; k < kCosineColumns; ++k) {
      const float value_b = row_b[k][i];
      squares_b[k] += value_b * value_b;
      dots[k] += value_a * value_b;
    }
  }
  squares_a = warp_sum(squares_a);
  for (int k = 0; k < kCosineColumns; ++k) {
    const float squares = warp_sum(squares_b[k]), dot = warp_sum(dots[k]);
    const float lengths = sqrtf(squares_a) * sqrtf(squares);
    if (lane == 0 && first + k < rows_b) {
      distances[static_cast<long long>(blockIdx.x) * rows_b + first + k] =
          lengths > 0.0f ? 1.0f - dot / lengths : 1.0f;
    }
  }
}
