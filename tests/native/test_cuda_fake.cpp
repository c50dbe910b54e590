// The fake driver shows what a GPU would hide: every mistake here ends in a sanitizer's report,
// though each computes the right values, since somebody happens to be late. Without sanitizers
// there is nothing to see.
#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreads = true;
#else
constexpr bool kThreads = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddresses = true;
#else
constexpr bool kAddresses = false;
#endif

void be_late() {
  std::this_thread::sleep_for(kSlow);
}

// The program, with and without the call that makes it right.
template <typename Program>
void check_seen(bool sanitizer, const char* report, Program program) {
  if (!sanitizer) return;
  in_child([&] {
    use_fake_driver();
    program(true);
  });
  const Ended wrong = run_child([&] {
    use_fake_driver();
    program(false);
  });
  CHECK(wrong.status != 0 && contains(wrong.said, report));
}

// Enqueuing something else in between is no wait either.
void test_a_result_is_read_before_a_wait() {
  check_seen(kThreads, "data race", [](bool right) {
    const Lane lane;
    const Event event(lane.device, Event::Timing::kOff);
    lane.fill(lane.a, 0);
    copy_to_host(lane.host.data(), lane.a.address(), kBytes, lane.stream);
    be_late();
    event.record(lane.stream);
    lane.fill(lane.b, 0);
    if (right) event.synchronize();
    CHECK(*static_cast<int*>(lane.host.data()) == 0);
  });
}

void test_a_source_is_overwritten_while_it_is_copied() {
  check_seen(kThreads, "data race", [](bool right) {
    const Lane lane;
    std::memset(lane.host.data(), 1, kBytes);
    copy_to_device(lane.a.address(), lane.host.data(), kBytes, lane.stream);
    be_late();
    if (right) lane.stream.view().synchronize();
    // One store: a memset that the compiler expands is none of ThreadSanitizer's.
    *static_cast<int*>(lane.host.data()) = 2;
    CHECK(lane.value_of(lane.a) == 0x01010101);
  });
}

void test_two_streams_without_an_event() {
  check_seen(kThreads, "data race", [](bool right) {
    const Lane lane;
    const Stream second(lane.device);
    const Event written(lane.device, Event::Timing::kOff);
    lane.fill(lane.a, 0);
    lane.enqueue_add(lane.add, lane.a, lane.b, 1, lane.stream);
    written.record(lane.stream);
    be_late();
    if (right) second.view().wait(written);
    lane.enqueue_add(lane.add, lane.b, lane.b, 1, second);
    second.view().synchronize();
    CHECK(lane.value_of(lane.b) == 2);
  });
}

void test_a_kernel_writes_past_its_memory() {
  check_seen(kAddresses, "heap-buffer-overflow", [](bool right) {
    const Lane lane;
    lane.add.launch(lane.shape, lane.stream, lane.a.address(), lane.b.address(), 1,
                    right ? kCount : kCount + 1);
    lane.stream.view().synchronize();
  });
}

void test_memory_is_freed_before_its_last_use() {
  check_seen(kAddresses, "heap-use-after-free", [](bool right) {
    const Lane lane;
    auto brief = std::make_unique<DeviceBuffer>(lane.device, kBytes);
    lane.enqueue_add(lane.slow_add, *brief, lane.b, 1, lane.stream);
    if (right) lane.stream.view().synchronize();
    brief.reset();
  });
}

}  // namespace

int main() {
  test_a_result_is_read_before_a_wait();
  test_a_source_is_overwritten_while_it_is_copied();
  test_two_streams_without_an_event();
  test_a_kernel_writes_past_its_memory();
  test_memory_is_freed_before_its_last_use();
}
