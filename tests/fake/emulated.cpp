// kernels/*.cu as functions of the host, by name.
#include <utility>

#include "grid.hpp"

#include "edgert.cu"

namespace edgert::fake {
namespace {

// A kernel's arguments, copied: it may change its own.
template <auto kKernel, Threads kThreads>
struct Emulated;

template <typename... Arguments, void (*kKernel)(Arguments...), Threads kThreads>
struct Emulated<kKernel, kThreads> {
  static constexpr std::size_t kBytes[] = {sizeof(Arguments)...};

  static void run(const Shape& shape, void** arguments) {
    run_grid(shape, kThreads, &call, arguments);
  }
  static void call(void* arguments) {
    apply(static_cast<void**>(arguments), std::index_sequence_for<Arguments...>());
  }
  template <std::size_t... kIndex>
  static void apply(void** arguments, std::index_sequence<kIndex...>) {
    kKernel(*static_cast<Arguments*>(arguments[kIndex])...);
  }
};

#define EDGERT_EMULATED(name, threads) \
  {#name, Emulated<name, Threads::threads>::kBytes, Emulated<name, Threads::threads>::run}
#define EDGERT_EMULATED_WARP(format)                     \
  EDGERT_EMULATED(letterbox_##format##_f32, kApart),     \
      EDGERT_EMULATED(letterbox_##format##_f16, kApart), \
      EDGERT_EMULATED(letterbox_##format##_s8, kApart),  \
      EDGERT_EMULATED(crops_##format##_f32, kTogether),  \
      EDGERT_EMULATED(crops_##format##_f16, kTogether),  \
      EDGERT_EMULATED(crops_##format##_s8, kTogether)

constexpr EmulatedKernel kKernels[] = {EDGERT_EMULATED_WARP(bgr24),
                                       EDGERT_EMULATED_WARP(bgr8),
                                       EDGERT_EMULATED_WARP(nv12),
                                       EDGERT_EMULATED_WARP(yuyv),
                                       EDGERT_EMULATED(select_f32, kTogether),
                                       EDGERT_EMULATED(select_f16, kTogether),
                                       EDGERT_EMULATED(suppress_f32, kTogether),
                                       EDGERT_EMULATED(suppress_f16, kTogether),
                                       EDGERT_EMULATED(joints_f32, kTogether),
                                       EDGERT_EMULATED(joints_f16, kTogether),
                                       EDGERT_EMULATED(cosine_f32, kTogether)};

}  // namespace

const EmulatedKernel* find_kernel(std::string_view name) {
  for (const EmulatedKernel& kernel : kKernels) {
    if (name == kernel.name) return &kernel;
  }
  return nullptr;
}

}  // namespace edgert::fake
