// A network's input or output in memory: a view with a type and a shape. Never owns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace edgert {

enum class DType { kFloat32, kFloat16, kInt8 };

inline std::size_t size_bytes(DType dtype) {
  return dtype == DType::kFloat32 ? 4 : (dtype == DType::kFloat16 ? 2 : 1);
}

// Contiguous, outermost dimension first; dimensions past `rank` are 1.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  int rank = 0;
  std::array<std::int64_t, 4> shape{1, 1, 1, 1};

  std::int64_t elements_per_item() const { return shape[1] * shape[2] * shape[3]; }
  std::int64_t elements() const { return shape[0] * elements_per_item(); }
};

}  // namespace edgert
