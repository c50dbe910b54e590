// The table that edgert declares by hand, against NVIDIA's cuda.h: compiled once for each header,
// nothing to run.
#define __CUDA_API_VERSION_INTERNAL  // every exported version under its own name
#include <cuda.h>

#include <cstddef>
#include <type_traits>

#include "cuda/driver.hpp"

namespace edgert::cuda {
namespace {

// How a type is passed: a pointer, or an integer of so many bytes.
template <typename T>
using Passed = std::conditional_t<
    std::is_pointer_v<T>, void*,
    std::conditional_t<sizeof(T) == 8, long, std::conditional_t<sizeof(T) == 4, int, char>>>;

template <typename Function>
struct Call;
template <typename... Arguments>
struct Call<Status (*)(Arguments...)> {
  using Type = void (*)(Passed<Arguments>...);
};
template <typename... Arguments>
struct Call<CUresult (*)(Arguments...)> {
  using Type = void (*)(Passed<Arguments>...);
};

#define SYMBOL(member, symbol)                                                             \
  static_assert(                                                                           \
      std::is_same_v<Call<decltype(Driver::member)>::Type, Call<decltype(&symbol)>::Type>, \
      #symbol " is not what cuda.h declares");
#include "symbols.inc"

#define SAME_FIELD(field, theirs) \
  static_assert(offsetof(KernelNodeParams, field) == offsetof(CUDA_KERNEL_NODE_PARAMS_v2, theirs))
SAME_FIELD(function, func);
SAME_FIELD(grid_x, gridDimX);
SAME_FIELD(block_x, blockDimX);
SAME_FIELD(shared_bytes, sharedMemBytes);
SAME_FIELD(arguments, kernelParams);
SAME_FIELD(extra, extra);
SAME_FIELD(kernel, kern);
SAME_FIELD(context, ctx);
static_assert(sizeof(KernelNodeParams) == sizeof(CUDA_KERNEL_NODE_PARAMS_v2));

static_assert(kSuccess == CUDA_SUCCESS && kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(kNotInitialized == CUDA_ERROR_NOT_INITIALIZED);
static_assert(kDeinitialized == CUDA_ERROR_DEINITIALIZED && kNoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(kNoBinaryForGpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(kNotReady == CUDA_ERROR_NOT_READY);
static_assert(kCaptureInvalidated == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

}  // namespace
}  // namespace edgert::cuda
