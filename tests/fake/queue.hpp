// A stream's thread and what it works off. Order flows one way: a thread that waits sees what was
// done before the signal, and whoever signals or enqueues learns nothing of the other side. With a
// mutex, ThreadSanitizer would take every enqueue for a wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace edgert::fake {

class Signal {
 public:
  void add();
  void wait_for(std::uint32_t count) const;
  bool reached(std::uint32_t count) const {
    return value_.load(std::memory_order_acquire) >= count;
  }

 private:
  std::atomic<std::uint32_t> value_{0};
};

// A point in a stream's work, complete once.
struct Mark {
  Signal signal;
  std::chrono::steady_clock::time_point time;  // set before the signal

  void complete() {
    time = std::chrono::steady_clock::now();
    signal.add();
  }
  bool done() const { return signal.reached(1); }
  void wait() const { signal.wait_for(1); }
};

class Queue {
 public:
  using Work = std::function<void()>;

  // Its thread ends when all work before stop() is done, and waits for nobody.
  static std::shared_ptr<Queue> start();
  ~Queue();

  // Not run once the device is lost.
  void push(Work work) { push(std::move(work), false); }
  void push_mark(std::shared_ptr<Mark> mark);
  void push_wait(std::shared_ptr<const Mark> mark);
  void stop() { push(nullptr, true); }
  void wait_idle();

 private:
  struct Item {
    Work work;
    bool always = false;
    std::atomic<Item*> next{nullptr};
  };
  Queue() = default;
  void push(Work work, bool always);
  void run();

  std::mutex producers_;
  Item* last_ = new Item;  // the producers'
  Item* taken_ = last_;    // the thread's
  Signal pushed_;
};

}  // namespace edgert::fake
