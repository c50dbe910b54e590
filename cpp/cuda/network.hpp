// A network on a device, whatever runs it: memory of its own at fixed addresses, and a function
// that enqueues its work.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "cuda/memory.hpp"
#include "cuda/stream.hpp"
#include "tensor.hpp"

namespace edgert::cuda {

// Enqueues a run on the first `batch` items on the stream that it was bound to; does not wait.
using Enqueue = std::function<void(int batch)>;

// What a network wants and gives, and how to tie it to a stream and to memory.
struct Network {
  TensorView input;                 // of the largest batch; without memory
  std::vector<TensorView> outputs;  // likewise
  std::vector<int> batches;         // the sizes it runs in, ascending; the last is the input's
  std::function<Enqueue(StreamView, const TensorView& input, std::span<const TensorView> outputs)>
      bind;
};

// One lane's network.
class BoundNetwork {
 public:
  // Allocates, binds, and runs every batch size until all is warm: a runtime chooses its kernels
  // and takes its memory in the first runs.
  BoundNetwork(std::shared_ptr<Device> device, StreamView stream, const Network& network);

  void enqueue(int batch) const { enqueue_(batch); }
  const TensorView& input() const { return input_; }
  std::span<const TensorView> outputs() const { return outputs_; }
  int max_batch() const { return batches_.back(); }
  // The smallest batch that holds `items`, of at most max_batch().
  int batch_for(int items) const;

 private:
  std::vector<DeviceBuffer> memory_;
  TensorView input_;
  std::vector<TensorView> outputs_;
  std::vector<int> batches_;
  Enqueue enqueue_;
};

}  // namespace edgert::cuda
