// The CUDA driver, found when it is first asked for: a table of the functions that edgert calls,
// declared by hand, so that neither a toolkit nor a driver is needed to build or to import.
// The driver's C interface is stable; where a function has versions, the name in driver.cpp says
// which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace edgert::cuda {

// Handles are the driver's own: opaque pointers and integers.
using Status = int;
using DeviceHandle = int;
using DevicePointer = std::uint64_t;
using ContextHandle = struct ContextTag*;
using StreamHandle = struct StreamTag*;
using EventHandle = struct EventTag*;
using ModuleHandle = struct ModuleTag*;
using FunctionHandle = struct FunctionTag*;
using GraphHandle = struct GraphTag*;
using GraphExecHandle = struct GraphExecTag*;
using NodeHandle = struct NodeTag*;

inline constexpr Status kSuccess = 0;
inline constexpr Status kOutOfMemory = 2;
inline constexpr Status kNotInitialized = 3;
inline constexpr Status kDeinitialized = 4;
inline constexpr Status kNoDevice = 100;
inline constexpr Status kNoBinaryForGpu = 209;
inline constexpr Status kNotReady = 600;
inline constexpr Status kCaptureInvalidated = 901;

// A kernel launch as cuGraphExecKernelNodeSetParams takes it (CUDA_KERNEL_NODE_PARAMS_v2).
struct KernelNodeParams {
  FunctionHandle function;
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  void** arguments;
  void** extra;
  void* kernel;
  ContextHandle context;
};

// What Driver holds, one pointer each; driver.cpp fills them by name.
struct Driver {
  Status (*init)(unsigned flags);
  Status (*driver_get_version)(int* version);
  Status (*get_error_name)(Status, const char** name);
  Status (*get_error_string)(Status, const char** text);

  Status (*device_get_count)(int* count);
  Status (*device_get)(DeviceHandle*, int ordinal);
  Status (*device_get_name)(char* name, int size, DeviceHandle);
  Status (*device_get_attribute)(int* value, int attribute, DeviceHandle);
  Status (*device_total_mem)(std::size_t* bytes, DeviceHandle);
  Status (*primary_ctx_retain)(ContextHandle*, DeviceHandle);
  Status (*primary_ctx_release)(DeviceHandle);
  Status (*ctx_set_current)(ContextHandle);
  Status (*ctx_get_current)(ContextHandle*);

  Status (*mem_get_info)(std::size_t* free, std::size_t* total);
  Status (*mem_alloc)(DevicePointer*, std::size_t bytes);
  Status (*mem_free)(DevicePointer);
  Status (*mem_alloc_managed)(DevicePointer*, std::size_t bytes, unsigned flags);
  Status (*mem_advise)(DevicePointer, std::size_t bytes, int advice, DeviceHandle);
  Status (*mem_prefetch_async)(DevicePointer, std::size_t bytes, DeviceHandle, StreamHandle);
  Status (*mem_host_alloc)(void**, std::size_t bytes, unsigned flags);
  Status (*mem_free_host)(void*);
  Status (*mem_host_get_device_pointer)(DevicePointer*, void*, unsigned flags);
  Status (*memcpy_htod_async)(DevicePointer, const void*, std::size_t bytes, StreamHandle);
  Status (*memcpy_dtoh_async)(void*, DevicePointer, std::size_t bytes, StreamHandle);
  Status (*memcpy_dtod_async)(DevicePointer, DevicePointer, std::size_t bytes, StreamHandle);
  Status (*memset_d8_async)(DevicePointer, unsigned char, std::size_t count, StreamHandle);
  Status (*pointer_get_attribute)(void* value, int attribute, DevicePointer);

  Status (*stream_create)(StreamHandle*, unsigned flags);
  Status (*stream_destroy)(StreamHandle);
  Status (*stream_synchronize)(StreamHandle);
  Status (*stream_wait_event)(StreamHandle, EventHandle, unsigned flags);
  Status (*stream_begin_capture)(StreamHandle, int mode);
  Status (*stream_end_capture)(StreamHandle, GraphHandle*);
  Status (*stream_get_capture_info)(StreamHandle, int* status, std::uint64_t* id, GraphHandle*,
                                    const NodeHandle** dependencies, std::size_t* count);

  Status (*event_create)(EventHandle*, unsigned flags);
  Status (*event_destroy)(EventHandle);
  Status (*event_record)(EventHandle, StreamHandle, unsigned flags);
  Status (*event_query)(EventHandle);
  Status (*event_synchronize)(EventHandle);
  Status (*event_elapsed_time)(float* ms, EventHandle begin, EventHandle end);

  Status (*graph_instantiate)(GraphExecHandle*, GraphHandle, std::uint64_t flags);
  Status (*graph_upload)(GraphExecHandle, StreamHandle);
  Status (*graph_launch)(GraphExecHandle, StreamHandle);
  Status (*graph_node_get_type)(NodeHandle, int* type);
  Status (*graph_exec_kernel_node_set_params)(GraphExecHandle, NodeHandle, const KernelNodeParams*);
  Status (*graph_exec_destroy)(GraphExecHandle);
  Status (*graph_destroy)(GraphHandle);

  Status (*module_load_data_ex)(ModuleHandle*, const void* image, unsigned options, int* names,
                                void** values);
  Status (*module_unload)(ModuleHandle);
  Status (*module_get_function)(FunctionHandle*, ModuleHandle, const char* name);
  Status (*func_get_attribute)(int* value, int attribute, FunctionHandle);
  Status (*func_set_attribute)(FunctionHandle, int attribute, int value);
  Status (*launch_kernel)(FunctionHandle, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z,
                          unsigned shared_bytes, StreamHandle, void** arguments, void** extra);
};

// The table, loaded and initialised on the first call, from any thread. EDGERT_LIBCUDA names
// another library than libcuda.so.1; what could not be loaded is tried again when the name has
// changed, and not before. throws UnavailableError.
const Driver& driver();

// "ok", or why there is no driver or no device: "libcuda.so.1 not found", "driver 12.2 found, 12.6
// or later expected: ...", "no CUDA device: ...". Asks the driver; an error is an answer.
std::string driver_state();

// Such as "12.6": the CUDA version that the driver brings. throws UnavailableError.
std::string driver_version();

}  // namespace edgert::cuda
