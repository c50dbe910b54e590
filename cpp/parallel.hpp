// Splits host loops over threads. One pool for the process: the stages of two frames in flight
// share it.
#pragma once

#include <cstddef>
#include <type_traits>

namespace edgert {

// How many threads a host stage may use, at least 1. Initially EDGERT_THREADS, else the number of
// cores.
int num_threads();

// throws InvalidArgument unless count is 1 to 1024. Waits for loops that are running.
void set_num_threads(int count);

namespace detail {
using RangeFunction = void (*)(void* context, std::size_t begin, std::size_t end);
void parallel_for(std::size_t count, std::size_t grain, RangeFunction function, void* context);
}  // namespace detail

// Calls body(begin, end) on disjoint ranges that cover [0, count), each of at least `grain` (but
// the last), and returns when all are done. The body must not throw. Allocates nothing.
template <typename Body>
void parallel_for(std::size_t count, std::size_t grain, Body&& body) {
  detail::parallel_for(
      count, grain,
      [](void* context, std::size_t begin, std::size_t end) {
        (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end);
      },
      &body);
}

}  // namespace edgert
