// Work recorded once and replayed with one call.
#pragma once

#include <memory>

#include "cuda/device.hpp"
#include "cuda/module.hpp"
#include "cuda/stream.hpp"

namespace edgert::cuda {

// A kernel launch inside a graph, whose arguments can be exchanged between replays.
class KernelNode {
 public:
  KernelNode() = default;
  explicit KernelNode(NodeHandle handle) : handle_(handle) {}
  NodeHandle handle() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  NodeHandle handle_ = nullptr;
};

// Replays what was captured, on any stream of the device.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;
  ~Graph();

  explicit operator bool() const { return exec_ != nullptr; }
  void launch(StreamView stream) const;

  // The node launches `function` with these arguments at the next replay. Same function, same
  // shared memory.
  template <typename... Arguments>
  void set_arguments(KernelNode node, const Function& function, const Launch& shape,
                     const Arguments&... arguments) {
    std::array<void*, sizeof...(Arguments) + 1> pointers{
        const_cast<void*>(static_cast<const void*>(&arguments))..., nullptr};
    set_arguments_raw(node, function, shape, pointers.data());
  }

 private:
  friend class Capture;
  void set_arguments_raw(KernelNode node, const Function& function, const Launch& shape,
                         void** arguments);

  std::shared_ptr<Device> device_;
  GraphHandle graph_ = nullptr;  // kept: the nodes are its own
  GraphExecHandle exec_ = nullptr;
};

// Records what is enqueued on a stream between its construction and finish(). Relaxed mode: a
// runtime may allocate meanwhile. If it goes out of scope unfinished, the recording is dropped and
// the stream is usable again.
class Capture {
 public:
  explicit Capture(const Stream& stream);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // The kernel launch that was enqueued last.
  KernelNode last_kernel() const;
  // throws CudaError if something enqueued meanwhile cannot be recorded.
  Graph finish();

 private:
  const Stream& stream_;
  bool open_ = true;
};

}  // namespace edgert::cuda
