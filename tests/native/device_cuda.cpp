// The owners of cpp/cuda on a true device: device_cuda, run by hand on a machine that has one. The
// same text on the fake is test_cuda_device, so that what is run there is known to work. Prints
// what it found; the last thing it does is to lose the device.
#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

constexpr bool kFake = sizeof(EDGERT_FAKE_CUDA) > sizeof "";

template <typename Body>
double microseconds_each(int calls, Body body) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) body();
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
  return taken.count() / calls;
}

void print_facts(const Device& device) {
  int version = 0;
  CHECK(driver().driver_get_version(&version) == kSuccess);
  const Device::Memory memory = device.memory();
  std::printf("device: %s, sm_%d, %d multiprocessors, %d bytes shared, driver %d\n",
              device.name().c_str(), device.compute_capability(), device.multiprocessors(),
              device.max_shared_bytes(), version);
  std::printf("memory: %zu of %zu bytes free, integrated %d, concurrent managed %d\n",
              memory.free_bytes, memory.total_bytes, device.integrated(),
              device.concurrent_managed());
}

void check_order(const Lane& lane) {
  const Stream second(lane.device);
  const Event begin(lane.device, Event::Timing::kOn), written(lane.device, Event::Timing::kOn);
  lane.fill(lane.a, 0);
  begin.record(lane.stream);
  lane.enqueue_add(lane.slow_add, lane.a, lane.b, 5, lane.stream);
  written.record(lane.stream);
  CHECK(!written.done());
  second.view().wait(written);
  lane.enqueue_add(lane.add, lane.b, lane.b, 10, second);
  second.view().synchronize();
  CHECK(lane.value_of(lane.b) == 15 && written.ms_since(begin) >= 30);
}

void check_graphs(const Lane& lane) {
  const Event begin(lane.device, Event::Timing::kOn), end(lane.device, Event::Timing::kOn);
  Capture capture(lane.stream);
  const DeviceBuffer meanwhile(lane.device, 64);
  begin.record_in_graph(lane.stream);
  lane.enqueue_add(lane.slow_add, lane.a, lane.b, 1, lane.stream);
  const KernelNode node = capture.last_kernel();
  end.record_in_graph(lane.stream);
  CHECK(contains(error_of<Error>([&] { capture.last_kernel(); }), "is no kernel launch"));
  Graph graph = capture.finish();
  graph.launch(lane.stream);
  copy_on_device(lane.managed.address(), lane.b.address(), kBytes, lane.stream);
  const auto exchange = [&](int value) {
    graph.set_arguments(node, lane.slow_add, lane.shape, lane.a.address(), lane.b.address(), value,
                        kCount);
  };
  exchange(7);
  graph.launch(lane.stream);
  CHECK(lane.value_of(lane.managed) == 1 && lane.value_of(lane.b) == 7);
  CHECK(end.ms_since(begin) >= 30);
  std::printf("set_arguments: %.2f us\n", microseconds_each(1000, [&] { exchange(8); }));
}

void check_recordings_that_end_early(const Lane& lane) {
  lane.fill(lane.b, 0);
  {
    const Capture dropped(lane.stream);
    lane.enqueue_add(lane.add, lane.a, lane.b, 3, lane.stream);
  }
  CHECK(lane.value_of(lane.b) == 0);
  Capture broken(lane.stream);
  std::printf("wait in a recording: %s\n",
              error_of([&] { lane.stream.view().synchronize(); }).c_str());
  std::printf("finish it: %s\n", error_of([&] { broken.finish(); }).c_str());
  lane.enqueue_add(lane.add, lane.a, lane.b, 4, lane.stream);
  CHECK(lane.value_of(lane.b) == 4);
}

void check_refusals(const Lane& lane) {
  const std::size_t bytes = lane.device->memory().total_bytes + 4096;
  for (const auto kind :
       {DeviceBuffer::Kind::kPlain, DeviceBuffer::Kind::kManaged, DeviceBuffer::Kind::kChosen}) {
    const std::string text = error_of([&] { DeviceBuffer buffer(lane.device, bytes, kind); });
    CHECK(contains(text, std::to_string(bytes)) && contains(text, "are free"));
    std::printf("refused: %s\n", text.c_str());
  }
  std::printf("refused: %s\n", error_of([&] { Module(lane.device, "?", "no image"); }).c_str());
  std::printf("refused: %s\n", error_of([&] { lane.module.function("subtract"); }).c_str());
  std::printf("refused: %s\n", error_of([&] {
                                 lane.add.launch({{1}, {2048}, 0}, lane.stream, lane.a.address(),
                                                 lane.b.address(), 1, kCount);
                               }).c_str());
}

void print_costs(const Lane& lane) {
  Capture capture(lane.stream);
  lane.enqueue_add(lane.add, lane.a, lane.b, 1, lane.stream);
  const Graph graph = capture.finish();
  std::printf("make_current: %.3f us\n",
              microseconds_each(10000, [&] { lane.device->make_current(); }));
  std::printf("launch: %.2f us\n", microseconds_each(500, [&] {
                lane.enqueue_add(lane.add, lane.a, lane.b, 1, lane.stream);
              }));
  lane.stream.view().synchronize();
  std::printf("replay of one kernel: %.2f us\n",
              microseconds_each(500, [&] { graph.launch(lane.stream); }));
  lane.stream.view().synchronize();
  std::printf("replay and wait: %.2f us\n", microseconds_each(200, [&] {
                graph.launch(lane.stream);
                lane.stream.view().synchronize();
              }));
}

void lose_the_device(const Lane& lane) {
  if constexpr (kFake) fake_cuda_fail("execute", 1, 700);
  // An address that nothing is at.
  lane.add.launch(lane.shape, lane.stream, DevicePointer{16}, lane.b.address(), 1, kCount);
  const std::string text = error_of([&] { lane.stream.view().synchronize(); });
  CHECK(contains(text, "(700)") && contains(text, "restart it"));
  std::printf("lost: %s\n", text.c_str());
  CHECK_THROWS(lane.fill(lane.a, 0), CudaError);
  CHECK_THROWS(DeviceBuffer(lane.device, 64), CudaError);
}

}  // namespace

int main() {
  if constexpr (kFake) use_fake_driver();
  std::printf("driver: %s\n", driver_state().c_str());
  const Lane lane;
  print_facts(*lane.device);
  lane.managed.prefetch(lane.stream);
  std::thread([&lane] { check_order(lane); }).join();
  check_graphs(lane);
  check_recordings_that_end_early(lane);
  check_refusals(lane);
  print_costs(lane);
  lose_the_device(lane);
  std::printf("device_cuda: all as expected\n");
}
