// Memory, streams, events and graphs, on the fake driver: lifetimes, and the order of what is
// enqueued, which the sanitizers watch.
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

void test_replays_take_the_arguments_of_their_moment() {
  Lane lane;
  lane.fill(lane.a, 0);
  Capture capture(lane.stream);
  DeviceBuffer meanwhile(lane.device, 64);  // relaxed: a runtime allocates while it records
  lane.enqueue_add(lane.slow_add, lane.a, lane.b, 1, lane.stream);
  const KernelNode node = capture.last_kernel();
  lane.enqueue_add(lane.add, lane.b, lane.b, 100, lane.stream);
  CHECK(capture.last_kernel().handle() != node.handle());
  Graph graph = capture.finish();
  CHECK(fake_cuda_alive("graph") == 1 && fake_cuda_alive("exec") == 1);

  graph.launch(lane.stream);
  CHECK(lane.value_of(lane.b) == 101);
  graph.launch(lane.stream);
  copy_on_device(lane.managed.address(), lane.b.address(), kBytes, lane.stream);
  // Exchanged while the replay before is still running: that one keeps its own.
  graph.set_arguments(node, lane.slow_add, lane.shape, lane.a.address(), lane.b.address(), 7,
                      kCount);
  graph.launch(lane.stream);
  CHECK(lane.value_of(lane.managed) == 101);
  CHECK(lane.value_of(lane.b) == 107);

  const std::string wrong = error_of([&] {
    graph.set_arguments(node, lane.add, lane.shape, lane.a.address(), lane.b.address(), 7, kCount);
  });
  CHECK(contains(wrong, "exchange the arguments of add in a graph: CUDA_ERROR_INVALID_VALUE (1)"));
  CHECK_THROWS(capture.finish(), InvalidArgument);
  CHECK_THROWS(Graph().launch(lane.stream), InvalidArgument);
}

void test_a_graph_outlives_what_made_it() {
  Graph graph;
  auto lane = std::make_unique<Lane>();
  {
    const Stream short_lived(lane->device);
    lane->fill(lane->a, 0);
    lane->stream.view().synchronize();
    Capture capture(short_lived);
    lane->enqueue_add(lane->add, lane->a, lane->b, 3, short_lived);
    Graph made = capture.finish();
    graph = std::move(made);
    CHECK(!made && graph);
  }
  graph.launch(lane->stream);
  CHECK(lane->value_of(lane->b) == 3);
  lane.reset();
  CHECK(fake_cuda_alive("context") == 1);  // the graph's
}

void test_a_dropped_recording_leaves_nothing() {
  Lane lane;
  lane.fill(lane.a, 0);
  lane.fill(lane.b, 0);
  try {
    const Capture capture(lane.stream);
    lane.enqueue_add(lane.add, lane.a, lane.b, 3, lane.stream);
    throw Error("midway");
  } catch (const Error&) {
  }
  CHECK(fake_cuda_alive("graph") == 0);
  CHECK(lane.value_of(lane.b) == 0);  // recorded, never run
  lane.enqueue_add(lane.add, lane.a, lane.b, 4, lane.stream);
  CHECK(lane.value_of(lane.b) == 4);
}

void test_a_broken_recording_says_why() {
  Lane lane;
  lane.fill(lane.a, 0);
  {
    Capture capture(lane.stream);
    const std::string broken = error_of([&] { lane.stream.view().synchronize(); });
    CHECK(contains(broken, "(900)") && contains(broken, "cannot be part of a graph"));
    CHECK_THROWS(capture.last_kernel(), Error);
    CHECK(contains(error_of([&] { capture.finish(); }), "(901)"));
  }
  {
    const Capture capture(lane.stream);  // broken, then dropped
    CHECK_THROWS(lane.stream.view().synchronize(), CudaError);
  }
  {
    const Capture capture(lane.stream);
    lane.fill(lane.a, 0);
    CHECK(contains(error_of<Error>([&] { capture.last_kernel(); }), "is no kernel launch"));
    CHECK(contains(error_of([&] { Capture second(lane.stream); }), "(401)"));
  }
  lane.enqueue_add(lane.add, lane.a, lane.b, 6, lane.stream);
  CHECK(lane.value_of(lane.b) == 6);
}

void test_a_recording_over_two_streams() {
  Lane lane;
  const Stream side(lane.device);
  const Event forked(lane.device, Event::Timing::kOff), joined(lane.device, Event::Timing::kOff);
  const auto record_fork = [&] {
    forked.record(lane.stream);
    side.view().wait(forked);
    lane.enqueue_add(lane.slow_add, lane.a, lane.b, 2, side);
  };
  lane.fill(lane.a, 0);
  lane.stream.view().synchronize();
  Capture capture(lane.stream);
  record_fork();
  joined.record(side);
  lane.stream.view().wait(joined);
  lane.enqueue_add(lane.add, lane.b, lane.b, 20, lane.stream);
  const Graph graph = capture.finish();
  graph.launch(lane.stream);
  CHECK(lane.value_of(lane.b) == 22);

  Capture unjoined(lane.stream);
  record_fork();
  CHECK(contains(error_of([&] { unjoined.finish(); }), "joined back by an event"));
}

void test_events_of_a_graph_are_recorded_at_each_replay() {
  Lane lane;
  const Event begin(lane.device, Event::Timing::kOn), end(lane.device, Event::Timing::kOn);
  lane.fill(lane.a, 0);
  Capture capture(lane.stream);
  begin.record_in_graph(lane.stream);
  lane.enqueue_add(lane.slow_add, lane.a, lane.b, 1, lane.stream);
  end.record_in_graph(lane.stream);
  const Graph graph = capture.finish();
  for (int replay = 0; replay < 2; ++replay) {
    graph.launch(lane.stream);
    CHECK(!end.done());
    end.synchronize();
    CHECK(end.ms_since(begin) >= static_cast<float>(kSlow.count()));
  }
  CHECK(contains(error_of([&] { end.record_in_graph(lane.stream); }), "as part of a graph"));
}

}  // namespace

int main() {
  use_fake_driver();
  CHECK(driver_state() == "ok");
  for (auto* test :
       {test_one_device_for_all_who_ask, test_memory_holds_what_was_copied,
        test_an_event_orders_two_streams, test_events_tell_when, test_any_thread_calls,
        test_leases_are_exclusive_and_streams_are_kept,
        test_replays_take_the_arguments_of_their_moment, test_a_graph_outlives_what_made_it,
        test_a_dropped_recording_leaves_nothing, test_a_broken_recording_says_why,
        test_a_recording_over_two_streams, test_events_of_a_graph_are_recorded_at_each_replay}) {
    test();
    CHECK(fake_cuda_alive(nullptr) == 0);
  }
}
