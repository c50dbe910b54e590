// Memory, streams and events, on the fake driver: lifetimes, and the order of what is enqueued,
// which the sanitizers watch.
#include <atomic>

#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

void test_one_device_for_all_who_ask() {
  CHECK(fake_cuda_alive("context") == 0);
  std::shared_ptr<Device> device = Device::get(0);
  CHECK(Device::get(0) == device);
  CHECK(fake_cuda_alive("context") == 1);
  CHECK(device->name() == "Fake Orin" && device->compute_capability() == 87);
  CHECK(!device->integrated() && device->concurrent_managed());
  CHECK(device->multiprocessors() == 8 && device->max_shared_bytes() == 163 * 1024);
  CHECK(device->memory().free_bytes == device->memory().total_bytes);
  device.reset();
  CHECK(fake_cuda_alive("context") == 0);
  const auto absent = [](int ordinal) {
    return error_of<UnavailableError>([&] { Device::get(ordinal); });
  };
  CHECK(contains(absent(1), "cuda:1 is not there: this machine has 1 CUDA device, cuda:0"));
  CHECK(contains(absent(-1), "cuda:-1 is not there"));
}

void test_memory_holds_what_was_copied() {
  Lane lane;
  auto* host = static_cast<int*>(lane.host.data());
  for (int i = 0; i < kCount; ++i) host[i] = i;
  CHECK(lane.value_of(lane.a) != 0);  // nobody may rely on zeros
  copy_to_device(lane.a.address(), host, kBytes, lane.stream);
  copy_on_device(lane.b.address(), lane.a.address(), kBytes, lane.stream);
  std::vector<int> back(kCount);
  copy_to_host(back.data(), lane.b.address(), kBytes, lane.stream);
  lane.stream.view().synchronize();
  CHECK(std::memcmp(back.data(), host, kBytes) == 0);
  CHECK(lane.device->memory().free_bytes == lane.device->memory().total_bytes - 2 * kBytes);

  DeviceBuffer moved = std::move(lane.a);
  CHECK(lane.a.address() == 0 && lane.a.bytes() == 0 && moved.bytes() == kBytes);
  moved = DeviceBuffer(lane.device, 16);
  CHECK(lane.device->memory().free_bytes == lane.device->memory().total_bytes - kBytes - 16);
  const DeviceBuffer empty(lane.device, 0);
  CHECK(empty.address() == 0 && empty.data() == nullptr);
  copy_to_device(empty.address(), host, 0, lane.stream);
  HostBuffer taken = std::move(lane.host);
  CHECK(taken.data() == host && lane.host.data() == nullptr);
  CHECK(HostBuffer(lane.device, 0).data() == nullptr);
}

void test_an_event_orders_two_streams() {
  Lane lane;
  const Stream second(lane.device);
  const Event written(lane.device, Event::Timing::kOff);
  for (int round = 0; round < 3; ++round) {
    lane.fill(lane.a, 0);
    lane.enqueue_add(lane.slow_add, lane.a, lane.b, 5 + round, lane.stream);
    written.record(lane.stream);
    second.view().wait(written);
    lane.enqueue_add(lane.add, lane.b, lane.b, 10, second);
    second.view().synchronize();
    CHECK(lane.value_of(lane.b) == 15 + round);
  }
}

void test_events_tell_when() {
  Lane lane;
  const Event begin(lane.device, Event::Timing::kOn), end(lane.device, Event::Timing::kOn);
  CHECK(end.done());  // never recorded: nothing to wait for
  lane.fill(lane.a, 0);
  begin.record(lane.stream);
  lane.enqueue_add(lane.slow_add, lane.a, lane.b, 1, lane.stream);
  end.record(lane.stream);
  CHECK(!end.done());
  CHECK(contains(error_of([&] { end.ms_since(begin); }), "CUDA_ERROR_NOT_READY (600)"));
  end.synchronize();
  CHECK(end.done());
  CHECK(end.ms_since(begin) >= static_cast<float>(kSlow.count()));
  const Event untimed(lane.device, Event::Timing::kOff);
  untimed.record(lane.stream);
  untimed.synchronize();
  CHECK_THROWS(untimed.ms_since(begin), CudaError);
  const Event moved(Event(lane.device, Event::Timing::kOff));
  CHECK(moved.done());
}

// Every entry makes its device current: the thread has no context, or somebody else's.
void test_any_thread_calls() {
  Lane lane;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&lane, t] {
      Lane own;
      for (int round = 0; round < 20; ++round) {
        CHECK(cuCtxSetCurrent(nullptr) == kSuccess);
        own.fill(own.a, 0);
        CHECK(cuCtxSetCurrent(nullptr) == kSuccess);
        own.enqueue_add(own.add, own.a, own.b, t, own.stream);
        CHECK(cuCtxSetCurrent(nullptr) == kSuccess);
        CHECK(own.value_of(own.b) == t);
      }
      lane.stream.view().synchronize();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void test_leases_are_exclusive_and_streams_are_kept() {
  const long streams = fake_cuda_alive("stream");
  const std::shared_ptr<Device> device = Device::get(0);
  StreamPool pool(device);
  StreamHandle first = nullptr;
  {
    const StreamPool::Lease a = pool.lease(), b = pool.lease();
    first = a.view().handle();
    CHECK(first != b.view().handle());
  }
  std::vector<std::thread> threads;
  std::atomic<int> rounds{0};
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        StreamPool::Lease lease = pool.lease();
        const StreamPool::Lease moved = std::move(lease);
        int value = 0;
        moved.view().make_current();  // for somebody else's call
        CHECK(cuLaunchHostFunc(
                  moved.view().handle(), [](void* p) { ++*static_cast<int*>(p); }, &value) == 0);
        moved.view().synchronize();
        CHECK(value == 1);
        ++rounds;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(rounds == 100 && fake_cuda_alive("stream") == streams + 2);
}

}  // namespace

int main() {
  use_fake_driver();
  CHECK(driver_state() == "ok");
  for (auto* test : {test_one_device_for_all_who_ask, test_memory_holds_what_was_copied,
                     test_an_event_orders_two_streams, test_events_tell_when, test_any_thread_calls,
                     test_leases_are_exclusive_and_streams_are_kept}) {
    test();
    CHECK(fake_cuda_alive(nullptr) == 0);
  }
}
