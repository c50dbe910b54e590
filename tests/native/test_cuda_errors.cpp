// What goes wrong once there is a device, on the fake driver: memory, launches, a lost device, any
// call. Each test runs in a process of its own, since what it breaks stays broken.
#include <algorithm>
#include <functional>

#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

constexpr Status kInvalidValue = 1, kLaunchFailed = 719;

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

// On a device with these facts.
template <typename Body>
std::string on_device(const char* facts, Body body) {
  return in_child([&] {
    use_fake_driver();
    fake_cuda_device(facts);
    body(Device::get(0));
    CHECK(fake_cuda_alive(nullptr) == 0);
  });
}

std::string allocation_error(const std::shared_ptr<Device>& device, std::size_t bytes,
                             DeviceBuffer::Kind kind) {
  return error_of([&] { DeviceBuffer buffer(device, bytes, kind); });
}

constexpr std::size_t kMiB = 1 << 20;

void test_out_of_memory_says_how_much() {
  const std::string said = on_device("memory=1048576", [](const std::shared_ptr<Device>& device) {
    const DeviceBuffer held(device, kMiB / 4);
    const std::string text = allocation_error(device, 2 * kMiB, DeviceBuffer::Kind::kPlain);
    CHECK(contains(text,
                   "allocate 2097152 bytes of device memory on cuda:0: "
                   "CUDA_ERROR_OUT_OF_MEMORY (2): out of memory; 786432 bytes (0.8 MiB) of "
                   "the device's 1.0 MiB are free; take fewer lanes"));
    fake_cuda_fail("cuMemHostAlloc", 1, kOutOfMemory);
    CHECK(contains(error_of([&] { HostBuffer(device, 4096); }),
                   "allocate 4096 bytes of page-locked host memory"));
  });
  CHECK(said == "");
}

void test_managed_memory_of_a_discrete_card() {
  on_device("memory=1048576,integrated=0", [](const std::shared_ptr<Device>& device) {
    const Stream stream(device);
    const DeviceBuffer held(device, kMiB / 2, DeviceBuffer::Kind::kChosen);
    CHECK(!held.managed());
    const DeviceBuffer small(device, kMiB / 4, DeviceBuffer::Kind::kManaged);
    CHECK(small.managed());
    unsigned managed = 0;  // CU_POINTER_ATTRIBUTE_IS_MANAGED
    CHECK(driver().pointer_get_attribute(&managed, 8, small.address()) == 0 && managed == 1);
    small.prefetch(stream);
    held.prefetch(stream);
    for (const auto kind : {DeviceBuffer::Kind::kManaged, DeviceBuffer::Kind::kChosen}) {
      const std::string text = allocation_error(device, kMiB, kind);
      CHECK(contains(text, "allocate 1048576 bytes of") &&
            contains(text, "; 524288 bytes (0.5 MiB)"));
      CHECK(contains(text, kind == DeviceBuffer::Kind::kManaged ? "managed" : "device memory"));
    }
  });
}

void test_managed_memory_of_an_integrated_device() {
  const std::string said =
      on_device("memory=1048576,integrated=1", [](const std::shared_ptr<Device>& device) {
        CHECK(device->integrated() && !device->concurrent_managed());
        const Stream stream(device);
        const DeviceBuffer plain(device, kMiB / 2, DeviceBuffer::Kind::kChosen);
        CHECK(!plain.managed());
        const DeviceBuffer more(device, 3 * kMiB / 4, DeviceBuffer::Kind::kChosen);  // than is free
        CHECK(more.managed());
        more.prefetch(stream);  // nothing to move, and the driver would refuse
        fake_cuda_fail("cuMemAlloc_v2", 1, kOutOfMemory);  // it is free, but in pieces
        CHECK(DeviceBuffer(device, kMiB / 4, DeviceBuffer::Kind::kChosen).managed());
        CHECK(contains(
            allocation_error(device, 2 * kMiB, DeviceBuffer::Kind::kChosen),
            "allocate 2097152 bytes of managed memory on cuda:0: CUDA_ERROR_OUT_OF_MEMORY"));
        fake_cuda_fail("cuMemAlloc_v2", 1, kInvalidValue);  // not for want of memory: not hidden
        CHECK(contains(allocation_error(device, 64, DeviceBuffer::Kind::kChosen), "device memory"));
      });
  CHECK(said == "");  // and no advice either
}

void test_kernels_that_cannot_be_had() {
  on_device("capability=75,name=Fake T4", [](const std::shared_ptr<Device>& device) {
    const std::string text =
        error_of([&] { Module(device, "not an image", "edgert.sm_87.cubin"); });
    CHECK(contains(text,
                   "load the kernels of edgert.sm_87.cubin on Fake T4 (sm_75): "
                   "CUDA_ERROR_NO_BINARY_FOR_GPU (209)"));
    CHECK(contains(text, "compiled for another GPU"));
    const Module module(device, "// comment\n.version 8.5\n.target sm_90\n",
                        "edgert.compute_90.ptx");
    CHECK(contains(error_of([&] { module.function("warp_bgr8_f64"); }),
                   "find the kernel warp_bgr8_f64 in edgert.compute_90.ptx: CUDA_ERROR_NOT_FOUND"));
  });
}

void test_launches_that_cannot_be() {
  on_device("", [](const std::shared_ptr<Device>& device) {
    const Lane lane;
    const auto launch = [&](const Launch& shape) {
      lane.add.launch(shape, lane.stream, lane.a.address(), lane.b.address(), 1, kCount);
    };
    CHECK(contains(error_of([&] { launch({{4, 2, 1}, {2048}, 16}); }),
                   "launch add as 4x2x1 blocks of 2048x1x1 threads with 16 bytes of shared memory: "
                   "CUDA_ERROR_INVALID_VALUE (1)"));
    CHECK_THROWS(launch({{0}, {32}, 0}), CudaError);
    CHECK_THROWS(launch({{1}, {32}, 64 * 1024}), CudaError);
    lane.add.allow_shared_bytes(64 * 1024);
    launch({{1}, {32}, 64 * 1024});
    CHECK(contains(error_of([&] { lane.add.allow_shared_bytes(1 << 20); }),
                   "allow add 1048576 bytes of shared memory a block, of " +
                       std::to_string(device->max_shared_bytes())));
    CHECK_THROWS(Function().launch({}, lane.stream), InvalidArgument);
    CHECK_THROWS(Function().allow_shared_bytes(1), InvalidArgument);
  });
}

// A kernel that goes astray is noticed where somebody waits; from then on everything fails at
// once, nothing hangs, and what is destroyed says so in one line.
void test_a_lost_device() {
  const std::string said = on_device("", [](const std::shared_ptr<Device>& device) {
    {
      Lane lane;
      const Event event(device, Event::Timing::kOn);
      StreamPool pool(device);
      const StreamPool::Lease lease = pool.lease();
      Capture capture(lane.stream);
      lane.enqueue_add(lane.slow_add, lane.a, lane.b, 1, lane.stream);
      const Graph graph = capture.finish();
      fake_cuda_fail("execute", 2, 700);
      for (int replay = 0; replay < 3; ++replay) graph.launch(lane.stream);
      event.record(lane.stream);
      lease.view().wait(event);
      const std::string text = error_of([&] { lane.stream.view().synchronize(); });
      CHECK(contains(text, "wait for a stream: CUDA_ERROR_ILLEGAL_ADDRESS (700): an illegal"));
      CHECK(contains(text, "the device is lost to this process") && contains(text, "restart it"));
      for (const auto& later : std::vector<std::function<void()>>{
               [&] { graph.launch(lane.stream); }, [&] { event.synchronize(); },
               [&] { event.done(); }, [&] { DeviceBuffer buffer(device, 64); },
               [&] { lease.view().synchronize(); }, [&] { Capture second(lane.stream); },
               [&] { lane.fill(lane.a, 1); }, [&] { device->memory(); }})
        CHECK(contains(error_of(later), "(700)"));
    }
    CHECK(fake_cuda_alive("context") == 1);
  });
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
  CHECK(contains(said, "edgert: ") && contains(said, "CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
}

void test_destructors_report() {
  CHECK(contains(in_child([] {
                   use_fake_driver();
                   const DeviceBuffer buffer(Device::get(0), 64);
                   fake_cuda_fail("cuMemFree_v2", 1, kInvalidValue);
                   DeviceBuffer(Device::get(0), 64);
                 }),
                 "edgert: free device memory: CUDA_ERROR_INVALID_VALUE (1): invalid argument\n"));
  // A process that ends takes the driver with it; what is destroyed later has nothing to tell.
  CHECK(in_child([] {
          use_fake_driver();
          const DeviceBuffer buffer(Device::get(0), 64);
          fake_cuda_fail("cuMemFree_v2", 0, kDeinitialized);
        }) == "");
}

}  // namespace

int main() {
  test_any_call_may_fail();
  test_out_of_memory_says_how_much();
  test_managed_memory_of_a_discrete_card();
  test_managed_memory_of_an_integrated_device();
  test_kernels_that_cannot_be_had();
  test_launches_that_cannot_be();
  test_a_lost_device();
  test_destructors_report();
}
