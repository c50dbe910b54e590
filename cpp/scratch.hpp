// Memory that a stage keeps from frame to frame, so that nothing is allocated once it is warm.
#pragma once

#include <cstddef>
#include <vector>

namespace edgert {

// The first `count` elements, grown where they did not suffice yet. What they hold is left over.
template <typename T>
T* reserve(std::vector<T>& memory, std::size_t count) {
  if (memory.size() < count) memory.resize(count);
  return memory.data();
}

}  // namespace edgert
