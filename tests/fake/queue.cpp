#include "queue.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <thread>

#include "state.hpp"

namespace edgert::fake {

void Signal::add() {
  value_.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, &value_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void Signal::wait_for(std::uint32_t count) const {
  for (;;) {
    const std::uint32_t value = value_.load(std::memory_order_acquire);
    if (value >= count) return;
    syscall(SYS_futex, &value_, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
}

std::shared_ptr<Queue> Queue::start() {
  std::shared_ptr<Queue> queue(new Queue);
  std::thread([queue] { queue->run(); }).detach();
  return queue;
}

Queue::~Queue() {
  while (taken_ != nullptr) {
    Item* next = taken_->next.load(std::memory_order_acquire);
    delete taken_;
    taken_ = next;
  }
}

void Queue::push(Work work, bool always) {
  auto* item = new Item;
  item->work = std::move(work);
  item->always = always;
  count_work(1);
  const std::lock_guard lock(producers_);
  last_->next.store(item, std::memory_order_release);
  last_ = item;
  pushed_.add();
}

void Queue::push_mark(std::shared_ptr<Mark> mark) {
  push([mark = std::move(mark)] { mark->complete(); }, true);
}

void Queue::push_wait(std::shared_ptr<const Mark> mark) {
  push([mark = std::move(mark)] { mark->wait(); }, true);
}

void Queue::wait_idle() {
  const auto mark = std::make_shared<Mark>();
  push_mark(mark);
  mark->wait();
}

void Queue::run() {
  for (std::uint32_t count = 1;; ++count) {
    pushed_.wait_for(count);
    Item* item = taken_->next.load(std::memory_order_acquire);
    delete taken_;
    taken_ = item;
    if (item->work == nullptr) return count_work(-1);
    if (item->always) {
      item->work();
    } else if (lost() == 0 && fault("execute") == 0) {
      item->work();
    }
    item->work = nullptr;  // what it held goes now, not with the next item
    count_work(-1);
  }
}

}  // namespace edgert::fake
