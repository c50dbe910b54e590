// DLPack 0.8's structures (https://dmlc.github.io/dlpack/latest/c_api.html), as far as they are
// exchanged with Python: one tensor, not versioned.
#pragma once

#include <cstdint>

namespace edgert::bindings::dlpack {

inline constexpr int kCpu = 1, kCuda = 2, kCudaHost = 3, kCudaManaged = 13;
inline constexpr std::uint8_t kInt = 0, kUInt = 1, kFloat = 2;
inline constexpr const char* kFresh = "dltensor";
inline constexpr const char* kTaken = "used_dltensor";

struct Device {
  std::int32_t type;
  std::int32_t id;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C-contiguous
  std::uint64_t byte_offset;
};

struct ManagedTensor {
  Tensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

}  // namespace edgert::bindings::dlpack
