// What the tests on the fake driver share: kernels of their own, and what is alive.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "add_kernels.hpp"
#include "check.hpp"
#include "cuda/cuda_error.hpp"
#include "cuda/graph.hpp"
#include "cuda/memory.hpp"
#include "fake_cuda.hpp"

namespace edgert::cuda {

inline constexpr int kCount = 1000;
inline constexpr std::size_t kBytes = kCount * sizeof(int);
inline constexpr auto kSlow = std::chrono::milliseconds(30);

// As add_kernels.hpp has them.
inline constexpr std::size_t kAddArguments[] = {8, 8, 4, 4};

inline void run_add(const fake::Shape&, void** arguments) {
  const int* from = *static_cast<int**>(arguments[0]);
  int* to = *static_cast<int**>(arguments[1]);
  const int value = *static_cast<int*>(arguments[2]), count = *static_cast<int*>(arguments[3]);
  for (int i = 0; i < count; ++i) to[i] = from[i] + value;
}

inline void run_slow_add(const fake::Shape& shape, void** arguments) {
  std::this_thread::sleep_for(kSlow);
  run_add(shape, arguments);
}

// Takes the fake for the driver. First in main().
inline void use_fake_driver() {
  setenv("EDGERT_LIBCUDA", EDGERT_FAKE_CUDA, 1);
  fake::add_kernel({"add", kAddArguments, run_add});
  fake::add_kernel({"slow_add", kAddArguments, run_slow_add});
}

// A device, a stream, buffers and kernels, as a lane has them.
struct Lane {
  std::shared_ptr<Device> device = Device::get(0);
  Stream stream{device};
  Module module{device, kAddKernels, "add_kernels.hpp"};
  Function add = module.function("add");
  Function slow_add = module.function("slow_add");
  DeviceBuffer a{device, kBytes}, b{device, kBytes};
  DeviceBuffer managed{device, kBytes, DeviceBuffer::Kind::kManaged};
  HostBuffer host{device, kBytes};
  Launch shape{{4}, {256}, 0};

  // The fake frees memory without waiting for the device, so that who relies on it is found.
  ~Lane() {
    device->make_current_for_cleanup();
    driver().stream_synchronize(stream.view().handle());
  }

  void enqueue_add(const Function& function, const DeviceBuffer& from, const DeviceBuffer& to,
                   int value, StreamView on) const {
    function.launch(shape, on, from.address(), to.address(), value, kCount);
  }
  // Every element of `buffer`, which must be the same; waits.
  int value_of(const DeviceBuffer& buffer) const {
    std::vector<int> values(kCount);
    copy_to_host(values.data(), buffer.address(), kBytes, stream);
    stream.view().synchronize();
    for (const int value : values) CHECK(value == values[0]);
    return values[0];
  }
  void fill(const DeviceBuffer& buffer, int byte) const {
    fill_bytes(buffer.address(), static_cast<unsigned char>(byte), kBytes, stream);
  }
};

inline bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) std::fprintf(stderr, "\"%s\" has no \"%s\"\n", text.c_str(), part.c_str());
  return found;
}

// The text of what `statement` throws, which is a Thrown.
template <typename Thrown = CudaError, typename Statement>
std::string error_of(Statement statement) {
  try {
    statement();
  } catch (const Thrown& error) {
    return error.what();
  }
  CHECK(false && "nothing was thrown");
  return "";
}

// How a child ended that ran `body`, and what it wrote to standard error.
struct Ended {
  int status;
  std::string said;
};

template <typename Body>
Ended run_child(Body body) {
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
  Ended ended{};
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    ended.said.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  waitpid(child, &ended.status, 0);
  return ended;
}

// Runs `body` in a child, which must end well. What it wrote to standard error.
template <typename Body>
std::string in_child(Body body) {
  const Ended ended = run_child(body);
  if (ended.status != 0) std::fputs(ended.said.c_str(), stderr);
  CHECK(ended.status == 0);
  return ended.said;
}

}  // namespace edgert::cuda
