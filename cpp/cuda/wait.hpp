// Waiting for work that takes about as long each time: asleep for most of it, so that the core is
// free, and awake at its end, so that the host goes on within a microsecond or two. Sleeping until
// the driver wakes the thread costs tens of microseconds, spinning from the start a whole core.
#pragma once

#include <chrono>

#include "cuda/stream.hpp"

namespace edgert::cuda {

// One thread's, for one kind of work.
class Wait {
 public:
  // Until `event` is done.
  void until(const Event& event);

 private:
  using Clock = std::chrono::steady_clock;
  Clock::duration sleep_{};  // what the last waits allow
};

}  // namespace edgert::cuda
