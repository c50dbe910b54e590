#include "context.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace edgert::cuda {

struct ContextTag {
  std::atomic<int> references{0};
  std::atomic<std::size_t> used_bytes{0};
};

}  // namespace edgert::cuda

namespace edgert::fake {
namespace {

using namespace edgert::cuda;

ContextTag contexts[kMaxDevices];
std::atomic<int> process{0};  // that has called cuInit
thread_local ContextHandle current = nullptr;

struct ErrorText {
  Status status;
  const char *name, *text;
};

constexpr ErrorText kErrors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for the device"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "an earlier error ended the capture"},
    {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "the capture was not begun in this stream"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "the capture has an unjoined stream"},
    {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency across the capture's boundary"},
    {907, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on a captured event"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"}};

const ErrorText* find_error(Status status) {
  const auto* found = std::find_if(std::begin(kErrors), std::end(kErrors),
                                   [&](const ErrorText& e) { return e.status == status; });
  return found == std::end(kErrors) ? nullptr : found;
}

bool exists(DeviceHandle device) {
  return device >= 0 && device < std::min(facts().devices, kMaxDevices);
}

}  // namespace

bool initialised_in(int asked) {
  return process.load(std::memory_order_relaxed) == asked;
}

Status check_current_context() {
  if (current == nullptr) return kInvalidContext;
  return current->references > 0 ? kSuccess : kContextIsDestroyed;
}

int current_ordinal() {
  return static_cast<int>(current - contexts);
}

bool take_memory(std::size_t bytes) {
  std::size_t used = current->used_bytes.load(std::memory_order_relaxed);
  do {
    if (bytes > facts().memory - used) return false;
  } while (
      !current->used_bytes.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

void give_memory(int ordinal, std::size_t bytes) {
  contexts[ordinal].used_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace edgert::fake

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuInit(unsigned) {
  if (const Status status = fault(__func__)) return status;
  if (facts().devices == 0) return kNoDevice;
  process = getpid();
  return kSuccess;
}

Status cuDriverGetVersion(int* version) {
  *version = facts().driver;
  return fault(__func__);
}

Status cuGetErrorName(Status status, const char** name) {
  const ErrorText* error = find_error(status);
  *name = error != nullptr ? error->name : nullptr;
  return error != nullptr ? kSuccess : kInvalidValue;
}

Status cuGetErrorString(Status status, const char** text) {
  const ErrorText* error = find_error(status);
  *text = error != nullptr ? error->text : nullptr;
  return error != nullptr ? kSuccess : kInvalidValue;
}

Status cuDeviceGetCount(int* count) {
  if (const Status status = enter_without_context(__func__)) return status;
  *count = facts().devices;
  return kSuccess;
}

Status cuDeviceGet(DeviceHandle* device, int ordinal) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(ordinal)) return kInvalidDevice;
  *device = ordinal;
  return kSuccess;
}

Status cuDeviceGetName(char* name, int size, DeviceHandle device) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(device)) return kInvalidDevice;
  std::strncpy(name, facts().name.c_str(), static_cast<std::size_t>(size) - 1);
  name[size - 1] = '\0';
  return kSuccess;
}

Status cuDeviceGetAttribute(int* value, int attribute, DeviceHandle device) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(device)) return kInvalidDevice;
  switch (attribute) {
    case 16:
      *value = facts().multiprocessors;
      return kSuccess;
    case 18:
      *value = facts().integrated;
      return kSuccess;
    case 19:
    case 41:
    case 83:
      *value = 1;
      return kSuccess;  // mapped host, unified, managed
    case 75:
      *value = facts().capability / 10;
      return kSuccess;
    case 76:
      *value = facts().capability % 10;
      return kSuccess;
    case 89:
      *value = facts().concurrent_managed;
      return kSuccess;
    case 97:
      *value = facts().shared;
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

Status cuDeviceTotalMem_v2(std::size_t* bytes, DeviceHandle device) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(device)) return kInvalidDevice;
  *bytes = facts().memory;
  return kSuccess;
}

Status cuDevicePrimaryCtxRetain(ContextHandle* context, DeviceHandle device) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(device)) return kInvalidDevice;
  *context = &contexts[device];
  ++contexts[device].references;
  count(Kind::kContext, 1);
  return kSuccess;
}

Status cuDevicePrimaryCtxRelease_v2(DeviceHandle device) {
  if (const Status status = enter_without_context(__func__)) return status;
  if (!exists(device)) return kInvalidDevice;
  if (contexts[device].references == 0) return kInvalidContext;
  --contexts[device].references;
  count(Kind::kContext, -1);
  return lost();
}

Status cuCtxSetCurrent(ContextHandle context) {
  if (const Status status = enter_without_context(__func__)) return status;
  current = context;
  return kSuccess;
}

Status cuCtxGetCurrent(ContextHandle* context) {
  if (const Status status = enter_without_context(__func__)) return status;
  *context = current;
  return kSuccess;
}

Status cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes) {
  if (const Status status = enter(__func__)) return status;
  *total_bytes = facts().memory;
  *free_bytes = facts().memory - current->used_bytes.load(std::memory_order_relaxed);
  return kSuccess;
}
