// What goes wrong, on the fake driver: no driver, no device, no memory, a lost device, any call.
// Each test runs in a process of its own, since a driver is loaded once.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

constexpr Status kInvalidValue = 1, kLaunchFailed = 719;

// Runs `body` in a child, which must end well. What it wrote to standard error.
template <typename Body>
std::string in_child(Body body) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    body();
    std::exit(0);  // with the sanitizers' checks
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::fputs(text.c_str(), stderr);
  CHECK(status == 0);
  return text;
}

// driver_state() with this library and these facts; driver() agrees.
void check_state(const char* library, const char* facts, const char* fault,
                 const std::string& expected) {
  CHECK(in_child([&] {
          setenv("EDGERT_LIBCUDA", library, 1);
          setenv("EDGERT_FAKE_CUDA_DEVICE", facts, 1);
          setenv("EDGERT_FAKE_CUDA_FAIL", fault, 1);
          CHECK(contains(driver_state(), expected));
          if (expected == "ok") return;
          CHECK(contains(error_of<UnavailableError>([] { driver(); }), expected));
          CHECK_THROWS(Device::get(0), UnavailableError);
        }) == "");
}

void test_states_of_the_driver() {
  check_state(EDGERT_FAKE_CUDA, "", "", "ok");
  check_state("/nowhere/libcuda.so.1", "", "", "/nowhere/libcuda.so.1 not found");
  check_state(__FILE__, "", "", "cannot be loaded: ");
  check_state("libm.so.6", "", "", "says no version: is it NVIDIA's driver?");
  check_state(EDGERT_BROKEN_CUDA, "", "", "(driver 12.8) has no cuInit, which every driver");
  check_state(EDGERT_FAKE_CUDA, "driver=12020", "",
              "driver 12.2 found, 12.6 or later expected: update NVIDIA's driver to 560 or later");
  check_state(EDGERT_FAKE_CUDA, "driver=13000", "", "ok");
  check_state(EDGERT_FAKE_CUDA, "devices=0", "", "no CUDA device: the driver 12.6 sees none");
  check_state(EDGERT_FAKE_CUDA, "", "cuInit:1:999",
              "no CUDA device: cuInit says CUDA_ERROR_UNKNOWN (999): unknown error");
  check_state(EDGERT_FAKE_CUDA, "", "cuDeviceGetCount:1:3",
              "no CUDA device: cuDeviceGetCount says CUDA_ERROR_NOT_INITIALIZED (3)");
}

// A failure is remembered: not every call of edgert.backends() opens libraries.
void test_a_failed_load_is_tried_again_under_another_name_only() {
  in_child([] {
    const auto link = std::filesystem::temp_directory_path() /
                      ("edgert_libcuda_" + std::to_string(getpid()) + ".so");
    setenv("EDGERT_LIBCUDA", link.c_str(), 1);
    const std::string absent = link.string() + " not found";
    CHECK(driver_state() == absent);
    std::filesystem::create_symlink(EDGERT_FAKE_CUDA, link);
    CHECK(driver_state() == absent);
    CHECK(contains(error_of<UnavailableError>([] { driver(); }), absent));
    setenv("EDGERT_LIBCUDA", EDGERT_FAKE_CUDA, 1);
    CHECK(driver_state() == "ok");
    setenv("EDGERT_LIBCUDA", "/nowhere", 1);  // there is one: it stays
    CHECK(driver_state() == "ok" && &driver() == &driver());
    std::filesystem::remove(link);
  });
}

void test_threads_load_one_driver() {
  in_child([] {
    use_fake_driver();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] { CHECK(Device::get(0)->ordinal() == 0 && driver_state() == "ok"); });
    for (std::thread& thread : threads) thread.join();
    CHECK(fake_cuda_alive(nullptr) == 0);
  });
}

// Everything that a lane does, once.
void do_everything() {
  Lane lane;
  lane.slow_add.allow_shared_bytes(100 * 1024);
  lane.managed.prefetch(lane.stream);
  const Event begin(lane.device, Event::Timing::kOn), end(lane.device, Event::Timing::kOn);
  std::memset(lane.host.data(), 0, kBytes);
  begin.record(lane.stream);
  copy_to_device(lane.a.address(), lane.host.data(), kBytes, lane.stream);
  lane.fill(lane.b, 0);
  Capture capture(lane.stream);
  lane.enqueue_add(lane.add, lane.a, lane.b, 1, lane.stream);
  const KernelNode node = capture.last_kernel();
  copy_on_device(lane.managed.address(), lane.b.address(), kBytes, lane.stream);
  Graph graph = capture.finish();
  graph.set_arguments(node, lane.add, lane.shape, lane.a.address(), lane.b.address(), 2, kCount);
  graph.launch(lane.stream);
  end.record(lane.stream);
  lane.stream.view().wait(end);
  copy_to_host(lane.host.data(), lane.managed.address(), kBytes, lane.stream);
  end.synchronize();
  CHECK(end.done() && end.ms_since(begin) >= 0);
  lane.stream.view().synchronize();
  CHECK(static_cast<int*>(lane.host.data())[kCount - 1] == 2);
}

// Whatever fails whenever: one exception, nothing left, and all is well afterwards. A lost device
// says so once, however much there is to destroy.
void test_any_call_may_fail() {
  for (const Status status : {kInvalidValue, kLaunchFailed}) {
    for (const char* function : {"cuDeviceGetCount",
                                 "cuDeviceGet",
                                 "cuDeviceGetName",
                                 "cuDeviceGetAttribute",
                                 "cuDevicePrimaryCtxRetain",
                                 "cuCtxSetCurrent",
                                 "cuMemGetInfo_v2",
                                 "cuMemAlloc_v2",
                                 "cuMemAllocManaged",
                                 "cuMemPrefetchAsync",
                                 "cuMemHostAlloc",
                                 "cuMemHostGetDevicePointer_v2",
                                 "cuMemcpyHtoDAsync_v2",
                                 "cuMemcpyDtoDAsync_v2",
                                 "cuMemcpyDtoHAsync_v2",
                                 "cuMemsetD8Async",
                                 "cuStreamCreate",
                                 "cuStreamSynchronize",
                                 "cuStreamWaitEvent",
                                 "cuStreamBeginCapture_v2",
                                 "cuStreamGetCaptureInfo_v2",
                                 "cuEventCreate",
                                 "cuEventRecordWithFlags",
                                 "cuEventQuery",
                                 "cuEventSynchronize",
                                 "cuEventElapsedTime",
                                 "cuGraphInstantiateWithFlags",
                                 "cuGraphUpload",
                                 "cuGraphLaunch",
                                 "cuGraphNodeGetType",
                                 "cuGraphExecKernelNodeSetParams_v2",
                                 "cuModuleLoadDataEx",
                                 "cuModuleGetFunction",
                                 "cuFuncSetAttribute",
                                 "cuLaunchKernel"}) {
      const std::string said = in_child([&] {
        use_fake_driver();
        CHECK(driver_state() == "ok");
        for (int nth = 1;; ++nth) {
          fake_cuda_fail(function, nth, status);
          bool failed = false;
          try {
            do_everything();
          } catch (const CudaError& error) {
            failed = true;
            CHECK(error.status() == status);
          }
          fake_cuda_heal();
          CHECK(fake_cuda_alive(nullptr) == 0);
          if (!failed) {
            CHECK(nth > 1 && function);  // else nobody calls it
            break;
          }
        }
        do_everything();
      });
      CHECK(std::count(said.begin(), said.end(), '\n') <= (status == kLaunchFailed ? 1 : 0));
    }
  }
}

}  // namespace

int main() {
  test_states_of_the_driver();
  test_a_failed_load_is_tried_again_under_another_name_only();
  test_threads_load_one_driver();
  test_any_call_may_fail();
}
