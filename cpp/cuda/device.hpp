// One GPU: its primary context, which it shares with every runtime of the process, and its facts.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cuda/driver.hpp"

namespace edgert::cuda {

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
  const std::string& name() const { return name_; }
  int compute_capability() const { return compute_capability_; }  // 87 for sm_87
  bool integrated() const { return integrated_; }  // shares its memory with the host: a Jetson
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
  std::string name_;
  int compute_capability_ = 0, multiprocessors_ = 0, max_shared_bytes_ = 0;
  bool integrated_ = false, concurrent_managed_ = false;
};

}  // namespace edgert::cuda
