#include "cuda/measure.hpp"

#include "cuda/recording.hpp"

namespace edgert::cuda {

NetworkTime measure(std::shared_ptr<Device> device, const Network& network, int batch, int runs) {
  device->make_current();
  const Stream stream(device);
  const BoundNetwork bound(device, stream, network);
  Recording recording(stream, [&](Capture*) { bound.enqueue(batch); }, true);
  const Event begin(device, Event::Timing::kOn), end(device, Event::Timing::kOn);
  for (int i = 0; i < 3; ++i) recording.run();
  begin.record(stream);
  for (int i = 0; i < runs; ++i) recording.run();
  end.record(stream);
  end.synchronize();
  return {end.ms_since(begin) / static_cast<float>(runs), recording.recorded()};
}

}  // namespace edgert::cuda
