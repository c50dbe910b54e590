#include "cuda/memory.hpp"

#include <string>
#include <utility>

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

constexpr unsigned kAttachGlobal = 1;              // CU_MEM_ATTACH_GLOBAL
constexpr int kSetPreferredLocation = 3;           // CU_MEM_ADVISE_SET_PREFERRED_LOCATION
constexpr unsigned kPortable = 1, kDeviceMap = 2;  // CU_MEMHOSTALLOC_...

std::string allocation(const Device& device, std::size_t bytes, const char* kind) {
  return "allocate " + std::to_string(bytes) + " bytes of " + kind +
         " memory on cuda:" + std::to_string(device.ordinal());
}

DevicePointer allocate_managed(const Device& device, std::size_t bytes) {
  // A discrete card would move pages to and fro over the bus at every use of what does not fit; on
  // an integrated one there is no other memory to move them to.
  const Device::Memory memory = device.memory();
  const std::size_t limit = device.integrated() ? memory.total_bytes : memory.free_bytes;
  if (bytes > limit) throw CudaError(allocation(device, bytes, "managed"), kOutOfMemory);
  DevicePointer address = 0;
  check(driver().mem_alloc_managed(&address, bytes, kAttachGlobal),
        allocation(device, bytes, "managed"));
  return address;
}

}  // namespace

// ---- on the device

DeviceBuffer::DeviceBuffer(std::shared_ptr<Device> device, std::size_t bytes, Kind kind)
    : device_(std::move(device)), bytes_(bytes) {
  if (bytes == 0) return;
  device_->make_current();
  if (kind != Kind::kManaged) {
    const bool may_be_managed = kind == Kind::kChosen && device_->integrated();
    const Status status = may_be_managed && bytes > device_->memory().free_bytes
                              ? kOutOfMemory
                              : driver().mem_alloc(&address_, bytes);
    if (status == kSuccess) return;
    if (status != kOutOfMemory || !may_be_managed)
      throw CudaError(allocation(*device_, bytes, "device"), status);
  }
  managed_ = true;
  address_ = allocate_managed(*device_, bytes);
  if (device_->concurrent_managed())
    report(driver().mem_advise(address_, bytes, kSetPreferredLocation, device_->handle()),
           "advise where managed memory is to live");
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == 0) return;
  device_->make_current_for_cleanup();
  report(driver().mem_free(address_), "free device memory");
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept {
  *this = std::move(other);
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  std::swap(managed_, other.managed_);
  return *this;
}

void DeviceBuffer::prefetch(StreamView stream) const {
  // Where host and device cannot use it at a time, it has no pages to move, and the driver refuses.
  if (!managed_ || !device_->concurrent_managed()) return;
  device_->make_current();
  check(driver().mem_prefetch_async(address_, bytes_, device_->handle(), stream.handle()),
        "prefetch managed memory");
}

// ---- on the host

HostBuffer::HostBuffer(std::shared_ptr<Device> device, std::size_t bytes)
    : device_(std::move(device)), bytes_(bytes) {
  if (bytes == 0) return;
  device_->make_current();
  check(driver().mem_host_alloc(&data_, bytes, kPortable | kDeviceMap),
        allocation(*device_, bytes, "page-locked host"));
  if (const Status status = driver().mem_host_get_device_pointer(&address_, data_, 0);
      status != kSuccess) {
    report(driver().mem_free_host(data_), "free page-locked memory");
    throw CudaError("map page-locked memory into the device", status);
  }
}

HostBuffer::~HostBuffer() {
  if (data_ == nullptr) return;
  device_->make_current_for_cleanup();
  report(driver().mem_free_host(data_), "free page-locked memory");
}

HostBuffer::HostBuffer(HostBuffer&& other) noexcept {
  *this = std::move(other);
}

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

DevicePointer mapped_address(const void* host) {
  constexpr int kMemoryType = 2, kDeviceAddress = 3;  // CU_POINTER_ATTRIBUTE_...
  constexpr int kHost = 1;                            // CU_MEMORYTYPE_HOST
  const auto pointer = reinterpret_cast<DevicePointer>(host);
  int type = 0;
  // An address that the driver does not know is an error to it.
  if (driver().pointer_get_attribute(&type, kMemoryType, pointer) != kSuccess) return 0;
  DevicePointer address = 0;
  if (type != kHost ||
      driver().pointer_get_attribute(&address, kDeviceAddress, pointer) != kSuccess) {
    return 0;
  }
  return address;
}

// ---- between them

void copy_to_device(DevicePointer to, const void* from, std::size_t bytes, StreamView stream) {
  if (bytes == 0) return;
  stream.make_current();
  check(driver().memcpy_htod_async(to, from, bytes, stream.handle()), "copy to the device");
}

void copy_to_host(void* to, DevicePointer from, std::size_t bytes, StreamView stream) {
  if (bytes == 0) return;
  stream.make_current();
  check(driver().memcpy_dtoh_async(to, from, bytes, stream.handle()), "copy to the host");
}

void copy_on_device(DevicePointer to, DevicePointer from, std::size_t bytes, StreamView stream) {
  if (bytes == 0) return;
  stream.make_current();
  check(driver().memcpy_dtod_async(to, from, bytes, stream.handle()), "copy on the device");
}

void fill_bytes(DevicePointer to, unsigned char value, std::size_t bytes, StreamView stream) {
  if (bytes == 0) return;
  stream.make_current();
  check(driver().memset_d8_async(to, value, bytes, stream.handle()), "fill device memory");
}

}  // namespace edgert::cuda
