// kernels/*.cu as functions of the host, by name.
#include <utility>

#include "grid.hpp"

#include "edgert.cu"

namespace edgert::fake {
namespace {

// A kernel's arguments, copied: it may change its own.
template <auto kKernel>
struct Emulated;

template <typename... Arguments, void (*kKernel)(Arguments...)>
struct Emulated<kKernel> {
  static constexpr std::size_t kBytes[] = {sizeof(Arguments)...};

  static void run(const Shape& shape, void** arguments) { run_grid(shape, &call, arguments); }
  static void call(void* arguments) {
    apply(static_cast<void**>(arguments), std::index_sequence_for<Arguments...>());
  }
  template <std::size_t... kIndex>
  static void apply(void** arguments, std::index_sequence<kIndex...>) {
    kKernel(*static_cast<Arguments*>(arguments[kIndex])...);
  }
};

#define EDGERT_EMULATED(name) {#name, Emulated<name>::kBytes, Emulated<name>::run}
#define EDGERT_EMULATED_WARP(format)                                                    \
  EDGERT_EMULATED(letterbox_##format##_f32), EDGERT_EMULATED(letterbox_##format##_f16), \
      EDGERT_EMULATED(letterbox_##format##_s8), EDGERT_EMULATED(crops_##format##_f32),  \
      EDGERT_EMULATED(crops_##format##_f16), EDGERT_EMULATED(crops_##format##_s8)

constexpr EmulatedKernel kKernels[] = {
    EDGERT_EMULATED_WARP(bgr24),   EDGERT_EMULATED_WARP(bgr8),    EDGERT_EMULATED_WARP(nv12),
    EDGERT_EMULATED_WARP(yuyv),    EDGERT_EMULATED(select_f32),   EDGERT_EMULATED(select_f16),
    EDGERT_EMULATED(suppress_f32), EDGERT_EMULATED(suppress_f16), EDGERT_EMULATED(joints_f32),
    EDGERT_EMULATED(joints_f16),   EDGERT_EMULATED(cosine_f32)};

}  // namespace

const EmulatedKernel* find_kernel(std::string_view name) {
  for (const EmulatedKernel& kernel : kKernels) {
    if (name == kernel.name) return &kernel;
  }
  return nullptr;
}

}  // namespace edgert::fake
