// One GPU: its primary context, which it shares with every runtime of the process, and its facts.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cuda/driver.hpp"

namespace edgert::cuda {

// What a driver says of a GPU that nobody uses yet.
struct DeviceFacts {
  std::string name;
  int compute_capability = 0;  // 87 for sm_87
  bool integrated = false;     // shares its memory with the host: a Jetson
  std::size_t total_bytes = 0;
};

// All that the driver counts, without opening one. throws UnavailableError, CudaError.
std::vector<DeviceFacts> list_devices();

class Device {
 public:
  // Retains the primary context of device `ordinal`. One object per ordinal and process: get()
  // gives the same one as long as somebody holds it. throws UnavailableError, CudaError.
  static std::shared_ptr<Device> get(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Makes the context current in the calling thread. Every entry point of this folder that calls
  // the driver does so first; cheap where it is current already.
  void make_current() const;
  // For destructors: where it fails, the call that follows says so.
  void make_current_for_cleanup() const noexcept;

  int ordinal() const { return ordinal_; }
  DeviceHandle handle() const { return handle_; }
  const std::string& name() const { return facts_.name; }
  int compute_capability() const { return facts_.compute_capability; }
  bool integrated() const { return facts_.integrated; }
  int multiprocessors() const { return multiprocessors_; }
  int max_shared_bytes() const { return max_shared_bytes_; }  // a block, after opting in
  bool concurrent_managed() const { return concurrent_managed_; }
  struct Memory {
    std::size_t free_bytes, total_bytes;
  };
  Memory memory() const;

 private:
  explicit Device(int ordinal);

  int ordinal_;
  DeviceHandle handle_ = 0;
  ContextHandle context_ = nullptr;
  DeviceFacts facts_;
  int multiprocessors_ = 0, max_shared_bytes_ = 0;
  bool concurrent_managed_ = false;
};

}  // namespace edgert::cuda
