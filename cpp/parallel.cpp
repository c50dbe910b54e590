#include "parallel.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "error.hpp"

namespace edgert {
namespace {

constexpr int kMaxThreads = 1024;

int default_threads() {
  if (const char* text = std::getenv("EDGERT_THREADS")) {
    const int count = std::atoi(text);
    if (count >= 1 && count <= kMaxThreads) return count;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// One loop at a time. A second caller finds the pool taken and runs its loop alone: with a handful
// of cores that is as fast as waiting, and it cannot deadlock.
class Pool {
 public:
  explicit Pool(int threads) { start(threads); }

  int threads() {
    std::lock_guard taken(taken_);
    return static_cast<int>(workers_.size()) + 1;
  }

  void resize(int threads) {
    std::lock_guard taken(taken_);
    stop();
    start(threads);
  }

  void run(std::size_t count, std::size_t grain, detail::RangeFunction function, void* context) {
    std::unique_lock taken(taken_, std::try_to_lock);
    if (!taken || workers_.empty() || count <= grain) {
      function(context, 0, count);
      return;
    }
    // A few ranges a thread even out their speeds; not more, each costs an atomic.
    const std::size_t ranges = 4 * (workers_.size() + 1);
    {
      std::lock_guard lock(mutex_);
      function_ = function;
      context_ = context;
      count_ = count;
      step_ = std::max(grain, (count + ranges - 1) / ranges);
      next_ = 0;
      open_ = true;
      ++generation_;
    }
    work_.notify_all();
    take_ranges();
    // Nothing is left to begin: wait for those who are at work, not for those who have yet to wake.
    std::unique_lock lock(mutex_);
    open_ = false;
    done_.wait(lock, [this] { return active_ == 0; });
  }

 private:
  void start(int threads) {
    stopping_ = false;
    const std::uint64_t generation = generation_;
    for (int i = 1; i < threads; ++i)
      workers_.emplace_back([this, generation] { work(generation); });
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  void work(std::uint64_t generation) {
    std::unique_lock lock(mutex_);
    while (true) {
      work_.wait(lock, [&] { return stopping_ || (open_ && generation_ != generation); });
      if (stopping_) return;
      generation = generation_;
      ++active_;
      lock.unlock();
      take_ranges();
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  void take_ranges() {
    for (std::size_t begin; (begin = next_.fetch_add(step_)) < count_;) {
      function_(context_, begin, std::min(begin + step_, count_));
    }
  }

  std::mutex taken_;  // held by the caller whose loop runs
  std::mutex mutex_;  // the members below
  std::condition_variable work_, done_;
  std::vector<std::thread> workers_;
  detail::RangeFunction function_ = nullptr;
  void* context_ = nullptr;
  std::size_t count_ = 0, step_ = 1;
  std::size_t active_ = 0;  // workers that are in the loop
  bool open_ = false;       // workers may join it
  std::atomic<std::size_t> next_{0};
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
};

// Never destroyed: a worker may still be asleep in it when the process ends. A forked child starts
// its own, since threads do not survive fork().
Pool*& pool_slot() {
  static Pool* pool = [] {
    pthread_atfork(nullptr, nullptr, [] { pool_slot() = new Pool(default_threads()); });
    return new Pool(default_threads());
  }();
  return pool;
}

}  // namespace

int num_threads() {
  return pool_slot()->threads();
}

void set_num_threads(int count) {
  require(count >= 1 && count <= kMaxThreads, "set_num_threads: expected a count from 1 to 1024");
  pool_slot()->resize(count);
}

namespace detail {
void parallel_for(std::size_t count, std::size_t grain, RangeFunction function, void* context) {
  pool_slot()->run(count, grain, function, context);
}
}  // namespace detail

}  // namespace edgert
