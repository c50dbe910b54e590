#include "cuda/device.hpp"

#include <map>
#include <mutex>

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

// CUdevice_attribute
enum Attribute {
  kMultiprocessorCount = 16,
  kIntegrated = 18,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kConcurrentManagedAccess = 89,
  kMaxSharedBytesOptin = 97
};

int attribute(DeviceHandle device, Attribute which) {
  int value = 0;
  check(driver().device_get_attribute(&value, which, device), "read a device's attribute");
  return value;
}

DeviceHandle find(int ordinal) {
  int count = 0;
  check(driver().device_get_count(&count), "count the CUDA devices");
  if (ordinal < 0 || ordinal >= count)
    throw UnavailableError("cuda:" + std::to_string(ordinal) + " is not there: this machine has " +
                           (count == 1 ? "1 CUDA device, cuda:0"
                                       : std::to_string(count) + " CUDA devices, cuda:0 to cuda:" +
                                             std::to_string(count - 1)));
  DeviceHandle handle = 0;
  check(driver().device_get(&handle, ordinal), "open cuda:" + std::to_string(ordinal));
  return handle;
}

DeviceFacts facts_of(DeviceHandle handle) {
  char name[256] = "";
  check(driver().device_get_name(name, sizeof name, handle), "read a device's name");
  DeviceFacts facts;
  facts.name = name;
  facts.compute_capability =
      10 * attribute(handle, kCapabilityMajor) + attribute(handle, kCapabilityMinor);
  facts.integrated = attribute(handle, kIntegrated) != 0;
  check(driver().device_total_mem(&facts.total_bytes, handle), "read a device's memory size");
  return facts;
}

}  // namespace

std::vector<DeviceFacts> list_devices() {
  int count = 0;
  check(driver().device_get_count(&count), "count the CUDA devices");
  std::vector<DeviceFacts> found;
  for (int ordinal = 0; ordinal < count; ++ordinal) found.push_back(facts_of(find(ordinal)));
  return found;
}

std::shared_ptr<Device> Device::get(int ordinal) {
  static auto& mutex = *new std::mutex;  // both outlive whoever asks last
  static auto& known = *new std::map<int, std::weak_ptr<Device>>;
  const std::lock_guard lock(mutex);
  std::weak_ptr<Device>& entry = known[ordinal];
  if (std::shared_ptr<Device> device = entry.lock()) return device;
  std::shared_ptr<Device> device(new Device(ordinal));
  entry = device;
  return device;
}

Device::Device(int ordinal) : ordinal_(ordinal), handle_(find(ordinal)), facts_(facts_of(handle_)) {
  multiprocessors_ = attribute(handle_, kMultiprocessorCount);
  max_shared_bytes_ = attribute(handle_, kMaxSharedBytesOptin);
  concurrent_managed_ = attribute(handle_, kConcurrentManagedAccess) != 0;
  // Last: from here on there is something to give back.
  check(driver().primary_ctx_retain(&context_, handle_),
        "open the context of cuda:" + std::to_string(ordinal));
}

Device::~Device() {
  report(driver().primary_ctx_release(handle_), "release a device's context");
}

void Device::make_current() const {
  // Asked, not remembered: other libraries of the process change it too.
  ContextHandle current = nullptr;
  if (driver().ctx_get_current(&current) == kSuccess && current == context_) return;
  check(driver().ctx_set_current(context_), "make a device's context current");
}

void Device::make_current_for_cleanup() const noexcept {
  driver().ctx_set_current(context_);
}

Device::Memory Device::memory() const {
  make_current();
  Memory memory{};
  check(driver().mem_get_info(&memory.free_bytes, &memory.total_bytes),
        "ask how much memory a device has free");
  return memory;
}

}  // namespace edgert::cuda
