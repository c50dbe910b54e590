// Blocks of threads as fibers of one thread of the host.
#include "grid.hpp"
#include "switch_stack.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace edgert::fake {
namespace {

constexpr unsigned kLanes = 32;
constexpr std::size_t kStackBytes = 128 * 1024;

enum class State { kReady, kAtWarp, kAtBlock, kDone };

// A stack and a place to go on from. Sanitizers are told of every change of stack.
class Fiber {
 public:
  Fiber() = default;
  explicit Fiber(void (*entry)())
      : stack_(static_cast<std::byte*>(::operator new(kStackBytes, std::align_val_t(64)))) {
    pointer_ = first_frame(stack_.get() + kStackBytes, entry);
#if defined(__SANITIZE_THREAD__)
    tsan_ = __tsan_create_fiber(0);
#endif
  }
  ~Fiber() {
#if defined(__SANITIZE_THREAD__)
    if (stack_ != nullptr) __tsan_destroy_fiber(tsan_);
#endif
  }
  Fiber(const Fiber&) = delete;

  // Goes on there, and comes back when somebody switches here.
  void switch_to(Fiber& other) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&asan_, other.bottom(), other.bytes());
#endif
#if defined(__SANITIZE_THREAD__)
    if (stack_ == nullptr) tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(other.tsan_, 0);
#endif
    edgert_switch_stack(&pointer_, other.pointer_);
    arrived(other);
  }

  // The first thing on a stack, and after every switch: where we come from is `from`'s.
  void arrived([[maybe_unused]] Fiber& from) {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(asan_, &bottom, &bytes);
    if (from.stack_ == nullptr) from.own_bottom_ = bottom, from.own_bytes_ = bytes;
#endif
  }

 private:
  struct Free {
    void operator()(std::byte* stack) const { ::operator delete(stack, std::align_val_t(64)); }
  };
  const void* bottom() const { return stack_ ? stack_.get() : own_bottom_; }
  std::size_t bytes() const { return stack_ ? kStackBytes : own_bytes_; }

  std::unique_ptr<std::byte, Free> stack_;  // none: the thread's own
  void* pointer_ = nullptr;                 // while somebody else runs
  const void* own_bottom_ = nullptr;
  std::size_t own_bytes_ = 0;
  [[maybe_unused]] void* asan_ = nullptr;
  [[maybe_unused]] void* tsan_ = nullptr;
};

struct Thread {
  explicit Thread(void (*entry)()) : fiber(entry) {}
  Fiber fiber;
  Coordinates index{};
  State state = State::kDone;
  std::uint64_t word = 0;  // what it brings to its warp
  bool vote = false;
};

// Runs blocks whose threads wait for each other; one for each thread of the host, and kept.
class Block {
 public:
  void run(unsigned count, void (*body)(void*), void* arguments) {
    body_ = body, arguments_ = arguments;
    while (threads_.size() < count) threads_.push_back(std::make_unique<Thread>(&Block::enter));
    warps_.resize((threads_.size() + kLanes - 1) / kLanes);
    for (unsigned i = 0; i < count; ++i) {
      threads_[i]->index = {i % blockDim.x, i / blockDim.x % blockDim.y,
                            i / blockDim.x / blockDim.y};
      threads_[i]->state = State::kReady;
    }
    while (true) {
      for (unsigned first = 0; first < count; first += kLanes)
        run_warp(first, std::min(first + kLanes, count));
      bool waiting = false;
      any_vote_ = false;
      for (unsigned i = 0; i < count; ++i) {
        Thread& thread = *threads_[i];
        if (thread.state != State::kAtBlock) continue;
        waiting = true;
        any_vote_ |= thread.vote;
        thread.state = State::kReady;
      }
      if (!waiting) return;
    }
  }

  bool wait_for_block(bool vote) {
    threads_[current_]->vote = vote;
    leave(State::kAtBlock);
    return any_vote_;
  }

  const WarpWords& wait_for_warp(std::uint64_t word) {
    threads_[current_]->word = word;
    leave(State::kAtWarp);
    return warps_[current_ / kLanes];
  }

  unsigned lane() const { return current_ % kLanes; }

  static Block& of_this_thread() {
    thread_local Block block;
    return block;
  }

 private:
  // Until all of them wait for the block or are done.
  void run_warp(unsigned first, unsigned last) {
    while (true) {
      unsigned at_warp = 0, at_block = 0;
      for (current_ = first; current_ < last; ++current_) {
        Thread& thread = *threads_[current_];
        if (thread.state == State::kReady) {
          threadIdx = thread.index;
          scheduler_.switch_to(thread.fiber);
        }
        at_warp += thread.state == State::kAtWarp;
        at_block += thread.state == State::kAtBlock;
      }
      if (at_warp == 0) return;
      if (at_block != 0 || at_warp != last - first) {
        std::fprintf(stderr,
                     "emulated kernel: %u threads of a warp wait for it, %u for the block\n",
                     at_warp, at_block);
        std::abort();
      }
      WarpWords& words = warps_[first / kLanes];
      words = {};
      for (unsigned i = first; i < last; ++i) {
        words.lane[i - first] = threads_[i]->word;
        threads_[i]->state = State::kReady;
      }
    }
  }

  // Of a thread of the kernel: somebody else runs until its state is kReady again.
  void leave(State state) {
    Thread& thread = *threads_[current_];
    thread.state = state;
    thread.fiber.switch_to(scheduler_);
  }

  // A fiber serves one thread of a block after the other.
  static void enter() {
    Block& block = of_this_thread();
    block.threads_[block.current_]->fiber.arrived(block.scheduler_);
    while (true) {
      block.body_(block.arguments_);
      block.leave(State::kDone);
    }
  }

  Fiber scheduler_;  // the thread's own stack
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<WarpWords> warps_;
  unsigned current_ = 0;
  bool any_vote_ = false;
  void (*body_)(void*) = nullptr;
  void* arguments_ = nullptr;
};

}  // namespace

void run_grid(const Shape& shape, void (*body)(void*), void* arguments) {
  blockDim = {shape.block[0], shape.block[1], shape.block[2]};
  gridDim = {shape.grid[0], shape.grid[1], shape.grid[2]};
  for (unsigned z = 0; z < gridDim.z; ++z) {
    for (unsigned y = 0; y < gridDim.y; ++y) {
      for (unsigned x = 0; x < gridDim.x; ++x) {
        blockIdx = {x, y, z};
        Block::of_this_thread().run(blockDim.x * blockDim.y * blockDim.z, body, arguments);
      }
    }
  }
}

bool wait_for_block(bool vote) {
  return Block::of_this_thread().wait_for_block(vote);
}

const WarpWords& wait_for_warp(std::uint64_t word) {
  return Block::of_this_thread().wait_for_warp(word);
}

unsigned own_lane() {
  return Block::of_this_thread().lane();
}

}  // namespace edgert::fake
