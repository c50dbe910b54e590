// Recording and replay, on the fake driver.
#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

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
  for (auto* test :
       {test_replays_take_the_arguments_of_their_moment, test_a_graph_outlives_what_made_it,
        test_a_dropped_recording_leaves_nothing, test_a_broken_recording_says_why,
        test_a_recording_over_two_streams, test_events_of_a_graph_are_recorded_at_each_replay}) {
    test();
    CHECK(fake_cuda_alive(nullptr) == 0);
  }
}
