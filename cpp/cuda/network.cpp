#include "cuda/network.hpp"

#include <algorithm>

namespace edgert::cuda {
namespace {

constexpr int kWarmRuns = 2;  // the first finds kernels and memory, the second shows that it did

}  // namespace

BoundNetwork::BoundNetwork(std::shared_ptr<Device> device, StreamView stream,
                           const Network& network)
    : input_(network.input), outputs_(network.outputs), batches_(network.batches) {
  const auto allocate = [&](TensorView& tensor) {
    const std::size_t bytes =
        static_cast<std::size_t>(tensor.elements()) * size_bytes(tensor.dtype);
    memory_.emplace_back(device, bytes, DeviceBuffer::Kind::kChosen);
    memory_.back().prefetch(stream);
    // What a run with fewer items leaves in the rest is never looked at, but it is computed with.
    fill_bytes(memory_.back().address(), 0, bytes, stream);
    tensor.data = memory_.back().data();
  };
  allocate(input_);
  for (TensorView& output : outputs_) allocate(output);
  try {
    enqueue_ = network.bind(stream, input_, outputs_);
    for (const int batch : batches_) {
      for (int run = 0; run < kWarmRuns; ++run) enqueue_(batch);
    }
    stream.synchronize();
  } catch (...) {
    // What was enqueued before may still use the memory that is about to go.
    (void)driver().stream_synchronize(stream.handle());
    throw;
  }
}

int BoundNetwork::batch_for(int items) const {
  return *std::lower_bound(batches_.begin(), batches_.end() - 1, items);
}

}  // namespace edgert::cuda
