// Memory that a device can reach: on the device, on the host (pinned and mapped), or managed.
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/device.hpp"
#include "cuda/stream.hpp"

namespace edgert::cuda {

// On the device. Empty (0 bytes) is allowed and has no address.
class DeviceBuffer {
 public:
  enum class Kind {
    kPlain,    // cuMemAlloc
    kManaged,  // one address for host and device, pages move on demand
    kChosen    // plain; managed where plain does not fit and the memory is shared anyway
  };
  // What managed memory costs. On a discrete card a page that is not there is fetched over the bus
  // when a kernel touches it, unless prefetch() has moved it before, and the kernel waits; more
  // than the card has free would be moved to and fro at each use, and is refused. On an integrated
  // device nothing moves and the limit is the machine's memory; but where concurrent_managed() is
  // false (Jetson) the host must not touch it while any work of the device is under way.
  DeviceBuffer() = default;
  DeviceBuffer(std::shared_ptr<Device> device, std::size_t bytes, Kind kind = Kind::kPlain);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  DevicePointer address() const { return address_; }
  void* data() const { return reinterpret_cast<void*>(address_); }
  std::size_t bytes() const { return bytes_; }
  bool managed() const { return managed_; }
  // Managed memory: move its pages to the device ahead of use. Nothing to do for plain memory.
  void prefetch(StreamView stream) const;

 private:
  std::shared_ptr<Device> device_;
  DevicePointer address_ = 0;
  std::size_t bytes_ = 0;
  bool managed_ = false;
};

// Page-locked host memory that the device sees at address().
class HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(std::shared_ptr<Device> device, std::size_t bytes);
  ~HostBuffer();
  HostBuffer(HostBuffer&& other) noexcept;
  HostBuffer& operator=(HostBuffer&& other) noexcept;

  void* data() const { return data_; }
  DevicePointer address() const { return address_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Device> device_;
  void* data_ = nullptr;
  DevicePointer address_ = 0;
  std::size_t bytes_ = 0;
};

// Where the device sees page-locked host memory; 0 where it cannot (ordinary memory).
DevicePointer mapped_address(const void* host);

void copy_to_device(DevicePointer to, const void* from, std::size_t bytes, StreamView stream);
void copy_to_host(void* to, DevicePointer from, std::size_t bytes, StreamView stream);
void copy_on_device(DevicePointer to, DevicePointer from, std::size_t bytes, StreamView stream);
void fill_bytes(DevicePointer to, unsigned char value, std::size_t bytes, StreamView stream);

}  // namespace edgert::cuda
