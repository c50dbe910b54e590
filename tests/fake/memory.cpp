// Memory on the device, which is the host's: every allocation of exactly its size, poisoned.
#include <cstdlib>
#include <cstring>

#include "context.hpp"
#include "stream.hpp"

namespace edgert::fake {
namespace {

using namespace edgert::cuda;

constexpr int kPoison = 0xCB;  // as a float -2.6e7, as an index far outside
constexpr std::size_t kAlignment = 256;

enum class Where { kDevice, kManaged, kHost };

// Slots of plain atomics, not a map with a lock: a lock would order the threads that allocate.
struct Block {
  std::atomic<std::uintptr_t> begin{0};  // 0: the slot is free
  std::atomic<std::size_t> bytes{0};
  std::atomic<Where> where{};
  std::atomic<int> ordinal{0};
};
Block blocks[1 << 14];
std::atomic<std::size_t> slots_used{0};

Status add_block(void* memory, std::size_t bytes, Where where) {
  for (std::size_t i = 0; i < std::size(blocks); ++i) {
    std::uintptr_t expected = 0;
    if (!blocks[i].begin.compare_exchange_strong(expected, 1, std::memory_order_relaxed)) continue;
    blocks[i].bytes = bytes;
    blocks[i].where = where;
    blocks[i].ordinal = current_ordinal();
    blocks[i].begin.store(reinterpret_cast<std::uintptr_t>(memory), std::memory_order_relaxed);
    std::size_t used = slots_used.load(std::memory_order_relaxed);
    while (used <= i && !slots_used.compare_exchange_weak(used, i + 1, std::memory_order_relaxed))
      continue;
    return kSuccess;
  }
  return kOutOfMemory;
}

// The block that holds all of [address, address + bytes), or null.
Block* find_block(std::uintptr_t address, std::size_t bytes) {
  const std::size_t used = slots_used.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < used; ++i) {
    const std::uintptr_t begin = blocks[i].begin.load(std::memory_order_relaxed);
    const std::size_t size = blocks[i].bytes.load(std::memory_order_relaxed);
    if (begin > 1 && address >= begin && address - begin < size &&
        bytes <= size - (address - begin))
      return &blocks[i];
  }
  return nullptr;
}

bool reachable(DevicePointer address, std::size_t bytes) {
  return find_block(address, bytes) != nullptr;
}

Kind kind_of(Where where) {
  return where == Where::kHost      ? Kind::kHost
         : where == Where::kManaged ? Kind::kManaged
                                    : Kind::kMemory;
}

// Managed memory takes none of the device's before it is used, so more can be asked for; pinned
// memory takes the device's where that is the host's.
bool counts(Where where) {
  return where == Where::kDevice || (where == Where::kHost && facts().integrated != 0);
}

Status allocate(void** memory, std::size_t bytes, Where where) {
  if (bytes == 0) return kInvalidValue;
  if (invalidate_strict_capture()) return kCaptureUnsupported;
  if (counts(where) && !take_memory(bytes)) return kOutOfMemory;
  if (posix_memalign(memory, kAlignment, bytes) != 0) return kOutOfMemory;
  std::memset(*memory, kPoison, bytes);
  count(kind_of(where), 1);
  return add_block(*memory, bytes, where);
}

Status release(void* memory, bool host, Status entered) {
  if (entered != kSuccess && lost() == 0) return entered;
  Block* block = find_block(reinterpret_cast<std::uintptr_t>(memory), 1);
  if (block == nullptr || (block->where == Where::kHost) != host ||
      block->begin != reinterpret_cast<std::uintptr_t>(memory))
    return kInvalidValue;
  if (entered != kSuccess) wait_for_lost_work();
  // The real one waits for the device here. Who relies on that is slow at best: not here.
  if (counts(block->where)) give_memory(block->ordinal, block->bytes);
  count(kind_of(block->where), -1);
  block->begin.store(0, std::memory_order_relaxed);
  std::free(memory);
  return entered;
}

Status enqueue_copy(StreamHandle stream, void* to, const void* from, std::size_t bytes) {
  return enqueue(stream, {NodeType::kMemcpy, [=] { std::memmove(to, from, bytes); }});
}

void* pointer(DevicePointer address) {
  return reinterpret_cast<void*>(address);
}

}  // namespace
}  // namespace edgert::fake

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuMemAlloc_v2(DevicePointer* address, std::size_t bytes) {
  if (const Status status = enter(__func__)) return status;
  return allocate(reinterpret_cast<void**>(address), bytes, Where::kDevice);
}

Status cuMemAllocManaged(DevicePointer* address, std::size_t bytes, unsigned flags) {
  if (const Status status = enter(__func__)) return status;
  if (flags != 1 && flags != 2) return kInvalidValue;
  return allocate(reinterpret_cast<void**>(address), bytes, Where::kManaged);
}

Status cuMemFree_v2(DevicePointer address) {
  return release(pointer(address), false, enter(__func__));
}

Status cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  if (const Status status = enter(__func__)) return status;
  return allocate(memory, bytes, Where::kHost);
}

Status cuMemFreeHost(void* memory) {
  return release(memory, true, enter(__func__));
}

Status cuMemHostGetDevicePointer_v2(DevicePointer* address, void* memory, unsigned) {
  if (const Status status = enter(__func__)) return status;
  const Block* block = find_block(reinterpret_cast<std::uintptr_t>(memory), 1);
  if (block == nullptr || block->where != Where::kHost) return kInvalidValue;
  *address = reinterpret_cast<DevicePointer>(memory);
  return kSuccess;
}

Status cuMemAdvise(DevicePointer address, std::size_t bytes, int advice, DeviceHandle) {
  if (const Status status = enter(__func__)) return status;
  const Block* block = find_block(address, bytes);
  if (block == nullptr || block->where != Where::kManaged || advice < 1 || advice > 6)
    return kInvalidValue;
  return facts().concurrent_managed != 0 ? kSuccess : kInvalidDevice;
}

Status cuMemPrefetchAsync(DevicePointer address, std::size_t bytes, DeviceHandle,
                          StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  const Block* block = find_block(address, bytes);
  if (block == nullptr || block->where != Where::kManaged) return kInvalidValue;
  if (facts().concurrent_managed == 0) return kInvalidDevice;
  return enqueue(stream, {NodeType::kEmpty, [] {}});
}

Status cuMemcpyHtoDAsync_v2(DevicePointer to, const void* from, std::size_t bytes,
                            StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  if (!reachable(to, bytes)) return kInvalidValue;
  return enqueue_copy(stream, pointer(to), from, bytes);
}

Status cuMemcpyDtoHAsync_v2(void* to, DevicePointer from, std::size_t bytes, StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  if (!reachable(from, bytes)) return kInvalidValue;
  return enqueue_copy(stream, to, pointer(from), bytes);
}

Status cuMemcpyDtoDAsync_v2(DevicePointer to, DevicePointer from, std::size_t bytes,
                            StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  if (!reachable(to, bytes) || !reachable(from, bytes)) return kInvalidValue;
  return enqueue_copy(stream, pointer(to), pointer(from), bytes);
}

Status cuMemsetD8Async(DevicePointer to, unsigned char value, std::size_t bytes,
                       StreamHandle stream) {
  if (const Status status = enter(__func__)) return status;
  if (!reachable(to, bytes)) return kInvalidValue;
  return enqueue(stream, {NodeType::kMemset, [=] { std::memset(pointer(to), value, bytes); }});
}

Status cuPointerGetAttribute(void* value, int attribute, DevicePointer address) {
  if (const Status status = enter(__func__)) return status;
  const Block* block = find_block(address, 1);
  if (block == nullptr) return kInvalidValue;
  switch (attribute) {
    case 2:  // MEMORY_TYPE: host or device
      *static_cast<unsigned*>(value) = block->where == Where::kHost ? 1 : 2;
      return kSuccess;
    case 3:  // DEVICE_POINTER: host and device memory are one
      *static_cast<DevicePointer*>(value) = address;
      return kSuccess;
    case 8:  // IS_MANAGED
      *static_cast<unsigned*>(value) = block->where == Where::kManaged;
      return kSuccess;
    case 9:  // DEVICE_ORDINAL
      *static_cast<int*>(value) = block->ordinal;
      return kSuccess;
    case 11:  // RANGE_START_ADDR
      *static_cast<DevicePointer*>(value) = block->begin;
      return kSuccess;
    case 12:  // RANGE_SIZE
      *static_cast<std::size_t*>(value) = block->bytes;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}
