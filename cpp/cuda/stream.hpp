// Streams and events. Owner and view are pairs: a view is what work is enqueued on, and may be a
// stream of somebody else's.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/device.hpp"

namespace edgert::cuda {

class Event;

class StreamView {
 public:
  StreamView() = default;  // the legacy default stream
  // Without a device, whoever waits or copies has made the stream's own current.
  explicit StreamView(StreamHandle handle, const Device* device = nullptr)
      : handle_(handle), device_(device) {}

  StreamHandle handle() const { return handle_; }
  void make_current() const;
  void synchronize() const;
  // Later work of this stream waits for what `event` recorded.
  void wait(const Event& event) const;

 private:
  StreamHandle handle_ = nullptr;
  const Device* device_ = nullptr;
};

// Does not wait for the legacy default stream.
class Stream {
 public:
  explicit Stream(std::shared_ptr<Device> device);
  ~Stream();
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&&) = delete;

  StreamView view() const { return StreamView(handle_, device_.get()); }
  operator StreamView() const { return view(); }  // NOLINT: an owner is used as what it owns
  const std::shared_ptr<Device>& device() const { return device_; }

 private:
  std::shared_ptr<Device> device_;
  StreamHandle handle_ = nullptr;
};

// Streams for short work (a call of edgert.ops), created when there is none to spare and kept.
// Outlives its leases.
class StreamPool {
 public:
  explicit StreamPool(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  // A stream of the caller's own until the lease ends, which does not wait for its work.
  class Lease {
   public:
    Lease(StreamPool& pool, std::unique_ptr<Stream> stream);
    ~Lease();
    Lease(Lease&&) = default;
    StreamView view() const { return stream_->view(); }

   private:
    StreamPool* pool_;
    std::unique_ptr<Stream> stream_;
  };
  Lease lease();

 private:
  std::shared_ptr<Device> device_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Stream>> idle_;
  std::size_t created_ = 0;
};

class Event {
 public:
  enum class Timing { kOn, kOff };
  // Waiting sleeps (blocking sync) instead of spinning.
  Event(std::shared_ptr<Device> device, Timing timing);
  ~Event();
  Event(Event&& other) noexcept;
  Event& operator=(Event&&) = delete;

  void record(StreamView stream) const;
  // Within a capture: a node of the graph that records at each replay.
  void record_in_graph(StreamView capturing) const;
  bool done() const;
  void synchronize() const;
  // Both recorded and done, both with timing.
  float ms_since(const Event& begin) const;
  EventHandle handle() const { return handle_; }
  const Device& device() const { return *device_; }

 private:
  std::shared_ptr<Device> device_;
  EventHandle handle_ = nullptr;
};

}  // namespace edgert::cuda
