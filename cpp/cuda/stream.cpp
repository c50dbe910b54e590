#include "cuda/stream.hpp"

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

constexpr unsigned kNonBlocking = 1;                         // CU_STREAM_NON_BLOCKING
constexpr unsigned kBlockingSync = 1, kDisableTiming = 2;    // CU_EVENT_...
constexpr unsigned kRecordDefault = 0, kRecordExternal = 1;  // CU_EVENT_RECORD_...

}  // namespace

// ---- streams

void StreamView::make_current() const {
  if (device_ != nullptr) device_->make_current();
}

void StreamView::synchronize() const {
  make_current();
  check(driver().stream_synchronize(handle_), "wait for a stream");
}

void StreamView::wait(const Event& event) const {
  event.device().make_current();
  check(driver().stream_wait_event(handle_, event.handle(), 0), "let a stream wait for an event");
}

Stream::Stream(std::shared_ptr<Device> device) : device_(std::move(device)) {
  device_->make_current();
  check(driver().stream_create(&handle_, kNonBlocking), "create a stream");
}

Stream::~Stream() {
  if (handle_ == nullptr) return;
  device_->make_current_for_cleanup();
  report(driver().stream_destroy(handle_), "destroy a stream");
}

Stream::Stream(Stream&& other) noexcept
    : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, nullptr)) {}

// ---- the pool

StreamPool::Lease::Lease(StreamPool& pool, std::unique_ptr<Stream> stream)
    : pool_(&pool), stream_(std::move(stream)) {}

StreamPool::Lease::~Lease() {
  if (stream_ == nullptr) return;  // moved from
  const std::lock_guard lock(pool_->mutex_);
  pool_->idle_.push_back(std::move(stream_));  // into room that lease() has made
}

StreamPool::Lease StreamPool::lease() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    idle_.reserve(created_ + 1);
    idle_.push_back(std::make_unique<Stream>(device_));
    ++created_;
  }
  std::unique_ptr<Stream> stream = std::move(idle_.back());
  idle_.pop_back();
  return Lease(*this, std::move(stream));
}

// ---- events

Event::Event(std::shared_ptr<Device> device, Timing timing) : device_(std::move(device)) {
  device_->make_current();
  const unsigned flags = kBlockingSync | (timing == Timing::kOff ? kDisableTiming : 0u);
  check(driver().event_create(&handle_, flags), "create an event");
}

Event::~Event() {
  if (handle_ == nullptr) return;
  device_->make_current_for_cleanup();
  report(driver().event_destroy(handle_), "destroy an event");
}

Event::Event(Event&& other) noexcept
    : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, nullptr)) {}

void Event::record(StreamView stream) const {
  device_->make_current();
  check(driver().event_record(handle_, stream.handle(), kRecordDefault), "record an event");
}

void Event::record_in_graph(StreamView capturing) const {
  device_->make_current();
  check(driver().event_record(handle_, capturing.handle(), kRecordExternal),
        "record an event as part of a graph");
}

bool Event::done() const {
  device_->make_current();
  const Status status = driver().event_query(handle_);
  if (status == kNotReady) return false;
  check(status, "ask whether an event is done");
  return true;
}

void Event::synchronize() const {
  device_->make_current();
  check(driver().event_synchronize(handle_), "wait for an event");
}

float Event::ms_since(const Event& begin) const {
  device_->make_current();
  float ms = 0;
  check(driver().event_elapsed_time(&ms, begin.handle_, handle_), "measure between two events");
  return ms;
}

}  // namespace edgert::cuda
