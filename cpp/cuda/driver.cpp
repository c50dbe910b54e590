#include "cuda/driver.hpp"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

constexpr int kOldestVersion = 12060;  // what the kernels' compiler writes loads from here on

// Looks functions up by the name of one version. A symbol's signature never changes, whatever the
// toolkit's header calls by the plain name: CUDA 13's cuMemAdvise is the symbol cuMemAdvise_v2, and
// the symbol cuMemAdvise is still CUDA 8's. So names found here mean the same in every driver.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <typename Function>
  void find(Function& slot, const char* name) {
    slot = reinterpret_cast<Function>(dlsym(library_, name));
    if (slot == nullptr && missing_.empty()) missing_ = name;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

void find_all(Symbols& symbols, Driver& d) {
  symbols.find(d.init, "cuInit");
  symbols.find(d.driver_get_version, "cuDriverGetVersion");
  symbols.find(d.get_error_name, "cuGetErrorName");
  symbols.find(d.get_error_string, "cuGetErrorString");

  symbols.find(d.device_get_count, "cuDeviceGetCount");
  symbols.find(d.device_get, "cuDeviceGet");
  symbols.find(d.device_get_name, "cuDeviceGetName");
  symbols.find(d.device_get_attribute, "cuDeviceGetAttribute");
  symbols.find(d.device_total_mem, "cuDeviceTotalMem_v2");
  symbols.find(d.primary_ctx_retain, "cuDevicePrimaryCtxRetain");
  symbols.find(d.primary_ctx_release, "cuDevicePrimaryCtxRelease_v2");
  symbols.find(d.ctx_set_current, "cuCtxSetCurrent");
  symbols.find(d.ctx_get_current, "cuCtxGetCurrent");

  symbols.find(d.mem_get_info, "cuMemGetInfo_v2");
  symbols.find(d.mem_alloc, "cuMemAlloc_v2");
  symbols.find(d.mem_free, "cuMemFree_v2");
  symbols.find(d.mem_alloc_managed, "cuMemAllocManaged");
  symbols.find(d.mem_advise, "cuMemAdvise");                 // v8: a device's ordinal, no location
  symbols.find(d.mem_prefetch_async, "cuMemPrefetchAsync");  // likewise
  symbols.find(d.mem_host_alloc, "cuMemHostAlloc");
  symbols.find(d.mem_free_host, "cuMemFreeHost");
  symbols.find(d.mem_host_get_device_pointer, "cuMemHostGetDevicePointer_v2");
  symbols.find(d.memcpy_htod_async, "cuMemcpyHtoDAsync_v2");
  symbols.find(d.memcpy_dtoh_async, "cuMemcpyDtoHAsync_v2");
  symbols.find(d.memcpy_dtod_async, "cuMemcpyDtoDAsync_v2");
  symbols.find(d.memset_d8_async, "cuMemsetD8Async");
  symbols.find(d.pointer_get_attribute, "cuPointerGetAttribute");

  symbols.find(d.stream_create, "cuStreamCreate");
  symbols.find(d.stream_destroy, "cuStreamDestroy_v2");
  symbols.find(d.stream_synchronize, "cuStreamSynchronize");
  symbols.find(d.stream_wait_event, "cuStreamWaitEvent");
  symbols.find(d.stream_begin_capture, "cuStreamBeginCapture_v2");
  symbols.find(d.stream_end_capture, "cuStreamEndCapture");
  symbols.find(d.stream_get_capture_info, "cuStreamGetCaptureInfo_v2");  // v3 adds edge data

  symbols.find(d.event_create, "cuEventCreate");
  symbols.find(d.event_destroy, "cuEventDestroy_v2");
  symbols.find(d.event_record, "cuEventRecordWithFlags");
  symbols.find(d.event_query, "cuEventQuery");
  symbols.find(d.event_synchronize, "cuEventSynchronize");
  symbols.find(d.event_elapsed_time, "cuEventElapsedTime");

  symbols.find(d.graph_instantiate, "cuGraphInstantiateWithFlags");
  symbols.find(d.graph_upload, "cuGraphUpload");
  symbols.find(d.graph_launch, "cuGraphLaunch");
  symbols.find(d.graph_node_get_type, "cuGraphNodeGetType");
  symbols.find(d.graph_exec_kernel_node_set_params, "cuGraphExecKernelNodeSetParams_v2");
  symbols.find(d.graph_exec_destroy, "cuGraphExecDestroy");
  symbols.find(d.graph_destroy, "cuGraphDestroy");

  symbols.find(d.module_load_data_ex, "cuModuleLoadDataEx");
  symbols.find(d.module_unload, "cuModuleUnload");
  symbols.find(d.module_get_function, "cuModuleGetFunction");
  symbols.find(d.func_get_attribute, "cuFuncGetAttribute");
  symbols.find(d.func_set_attribute, "cuFuncSetAttribute");
  symbols.find(d.launch_kernel, "cuLaunchKernel");
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string status_text(const Driver& d, Status status) {
  const char *name = nullptr, *text = nullptr;
  d.get_error_name(status, &name);
  d.get_error_string(status, &text);
  return std::string(name != nullptr ? name : "unknown error") + " (" + std::to_string(status) +
         (text != nullptr ? std::string("): ") + text : ")");
}

// Why the library could not be opened: "not found" where it is this one that is not there.
std::string open_failure(const std::string& path) {
  const char* found = dlerror();
  const std::string text = found != nullptr ? found : "no reason given";
  if (text.starts_with(path + ":") && text.find("No such file") != std::string::npos)
    return path + " not found";
  return path + " cannot be loaded: " + text;
}

// "ok", and `table` is complete and initialised; or the reason why not. The library stays open
// either way: a driver that has been called does not survive being unloaded.
std::string load(const std::string& path, Driver& table) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return open_failure(path);

  Symbols symbols(library);
  symbols.find(table.driver_get_version, "cuDriverGetVersion");
  int version = 0;
  if (table.driver_get_version == nullptr || table.driver_get_version(&version) != kSuccess)
    return path + " says no version: is it NVIDIA's driver?";
  const std::string expected = version_text(kOldestVersion);
  if (version < kOldestVersion)
    return "driver " + version_text(version) + " found, " + expected +
           " or later expected: update NVIDIA's driver to 560 or later (Jetson: JetPack 6.1)";
  find_all(symbols, table);
  if (!symbols.missing().empty())
    return path + " (driver " + version_text(version) + ") has no " + symbols.missing() +
           ", which every driver from " + expected + " on has: install NVIDIA's driver anew";

  if (const Status status = table.init(0); status == kNoDevice)
    return "no CUDA device: the driver " + version_text(version) +
           " sees none; is it hidden by CUDA_VISIBLE_DEVICES, or not given to this container?";
  else if (status != kSuccess)
    return "no CUDA device: cuInit says " + status_text(table, status);
  int devices = 0;
  if (const Status status = table.device_get_count(&devices); status != kSuccess)
    return "no CUDA device: cuDeviceGetCount says " + status_text(table, status);
  return devices > 0 ? "ok"
                     : "no CUDA device: the driver " + version_text(version) + " counts none";
}

struct Attempt {
  std::mutex mutex;
  std::string path;   // empty: none yet
  std::string state;  // what became of it
};

Driver table{};
std::atomic<const Driver*> loaded{nullptr};  // the table, once it is complete

// Tries once for each name of the library: a driver does not appear while a process runs.
std::string state_after_trying() {
  static Attempt& attempt = *new Attempt;  // outlives every destructor that asks
  const std::lock_guard lock(attempt.mutex);
  if (loaded.load(std::memory_order_relaxed) != nullptr) return "ok";
  const char* named = std::getenv("EDGERT_LIBCUDA");
  const std::string path = named != nullptr && *named != '\0' ? named : "libcuda.so.1";
  if (path == attempt.path) return attempt.state;
  attempt.state = load(path, table);
  attempt.path = path;
  if (attempt.state == "ok") loaded.store(&table, std::memory_order_release);
  return attempt.state;
}

}  // namespace

const Driver& driver() {
  if (const Driver* found = loaded.load(std::memory_order_acquire)) return *found;
  const std::string state = state_after_trying();
  if (state != "ok")
    throw UnavailableError("no CUDA here: " + state + R"(. device="cpu" needs no driver)");
  return table;
}

std::string driver_state() {
  return loaded.load(std::memory_order_acquire) != nullptr ? "ok" : state_after_trying();
}

std::string driver_version() {
  int version = 0;
  driver().driver_get_version(&version);  // has answered when the table was loaded
  return version_text(version);
}

}  // namespace edgert::cuda
