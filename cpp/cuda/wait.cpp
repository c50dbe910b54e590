#include "cuda/wait.hpp"

#include <algorithm>
#include <thread>

namespace edgert::cuda {
namespace {

using namespace std::chrono_literals;

constexpr auto kMargin = 120us;     // a sleep ends up to a timer's slack (50 us) and a wake-up late
constexpr auto kLongestPoll = 1ms;  // after that the work is of another kind: the driver waits
constexpr auto kShortestSleep = 50us;

}  // namespace

void Wait::until(const Event& event) {
  const Clock::time_point begin = Clock::now();
  bool early = true;
  if (sleep_ >= kShortestSleep) {
    std::this_thread::sleep_for(sleep_);
    early = !event.done();
  }
  const Clock::time_point awake = Clock::now();
  while (!event.done()) {
    if (Clock::now() - awake > kLongestPoll) {
      event.synchronize();
      break;
    }
    std::this_thread::yield();
  }
  const Clock::duration took = Clock::now() - begin;
  // Overslept: by how much is not known, so a little less each time. Else towards what it took.
  const Clock::duration wanted = early ? took - kMargin : sleep_ - kMargin / 4;
  sleep_ =
      std::max(Clock::duration::zero(), sleep_ + (wanted - sleep_) / (wanted < sleep_ ? 1 : 4));
}

}  // namespace edgert::cuda
