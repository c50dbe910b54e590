// A kernel as a function of the host: what the fake driver launches.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace edgert::fake {

struct Shape {
  unsigned grid[3], block[3], shared_bytes;
};

struct EmulatedKernel {
  const char* name;
  std::span<const std::size_t> argument_bytes;
  void (*run)(const Shape&, void** arguments);
};

const EmulatedKernel* find_kernel(std::string_view name);  // null: no such kernel

}  // namespace edgert::fake
