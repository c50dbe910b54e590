// Going on with another stack, in 20 instructions: swapcontext() asks the kernel for the signal
// mask each time, which takes a hundred times as long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// Leaves this stack's pointer in `from` and goes on where `to` was left.
extern "C" void edgert_switch_stack(void** from, void* to);

namespace edgert::fake {

// The pointer of a stack that ends at `end`, a multiple of 16, and on which `entry` is to begin.
// It must never return.
inline void* first_frame(std::byte* end, void (*entry)()) {
  const auto address = reinterpret_cast<std::uintptr_t>(entry);
#if defined(__x86_64__)
  constexpr std::size_t kBytes = 64, kReturn = 48;  // six registers, and 8 bytes for alignment
#elif defined(__aarch64__)
  constexpr std::size_t kBytes = 160, kReturn = 88;
#else
#error "tests/fake: switching stacks is written for x86-64 and AArch64"
#endif
  std::byte* const frame = end - kBytes;
  std::memset(frame, 0, kBytes);
  std::memcpy(frame + kReturn, &address, sizeof(address));
  return frame;
}

}  // namespace edgert::fake
