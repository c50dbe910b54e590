// What the fake driver exports: the driver's own names with the types of edgert's table, so that a
// definition that differs does not compile.
#pragma once

#include <type_traits>

#include "cuda/driver.hpp"

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))
#define FAKE_SYMBOL(member, symbol) \
  FAKE_EXPORT std::remove_pointer_t<decltype(edgert::cuda::Driver::member)> symbol

FAKE_SYMBOL(init, cuInit);
FAKE_SYMBOL(driver_get_version, cuDriverGetVersion);
FAKE_SYMBOL(get_error_name, cuGetErrorName);
FAKE_SYMBOL(get_error_string, cuGetErrorString);

FAKE_SYMBOL(device_get_count, cuDeviceGetCount);
FAKE_SYMBOL(device_get, cuDeviceGet);
FAKE_SYMBOL(device_get_name, cuDeviceGetName);
FAKE_SYMBOL(device_get_attribute, cuDeviceGetAttribute);
FAKE_SYMBOL(device_total_mem, cuDeviceTotalMem_v2);
FAKE_SYMBOL(primary_ctx_retain, cuDevicePrimaryCtxRetain);
FAKE_SYMBOL(primary_ctx_release, cuDevicePrimaryCtxRelease_v2);
FAKE_SYMBOL(ctx_set_current, cuCtxSetCurrent);
FAKE_SYMBOL(ctx_get_current, cuCtxGetCurrent);

FAKE_SYMBOL(mem_get_info, cuMemGetInfo_v2);
FAKE_SYMBOL(mem_alloc, cuMemAlloc_v2);
FAKE_SYMBOL(mem_free, cuMemFree_v2);
FAKE_SYMBOL(mem_alloc_managed, cuMemAllocManaged);
FAKE_SYMBOL(mem_advise, cuMemAdvise);
FAKE_SYMBOL(mem_prefetch_async, cuMemPrefetchAsync);
FAKE_SYMBOL(mem_host_alloc, cuMemHostAlloc);
FAKE_SYMBOL(mem_free_host, cuMemFreeHost);
FAKE_SYMBOL(mem_host_get_device_pointer, cuMemHostGetDevicePointer_v2);
FAKE_SYMBOL(memcpy_htod_async, cuMemcpyHtoDAsync_v2);
FAKE_SYMBOL(memcpy_dtoh_async, cuMemcpyDtoHAsync_v2);
FAKE_SYMBOL(memcpy_dtod_async, cuMemcpyDtoDAsync_v2);
FAKE_SYMBOL(memset_d8_async, cuMemsetD8Async);
FAKE_SYMBOL(pointer_get_attribute, cuPointerGetAttribute);

FAKE_SYMBOL(stream_create, cuStreamCreate);
FAKE_SYMBOL(stream_destroy, cuStreamDestroy_v2);
FAKE_SYMBOL(stream_synchronize, cuStreamSynchronize);
FAKE_SYMBOL(stream_wait_event, cuStreamWaitEvent);
FAKE_SYMBOL(stream_begin_capture, cuStreamBeginCapture_v2);
FAKE_SYMBOL(stream_end_capture, cuStreamEndCapture);
FAKE_SYMBOL(stream_get_capture_info, cuStreamGetCaptureInfo_v2);

FAKE_SYMBOL(event_create, cuEventCreate);
FAKE_SYMBOL(event_destroy, cuEventDestroy_v2);
FAKE_SYMBOL(event_record, cuEventRecordWithFlags);
FAKE_SYMBOL(event_query, cuEventQuery);
FAKE_SYMBOL(event_synchronize, cuEventSynchronize);
FAKE_SYMBOL(event_elapsed_time, cuEventElapsedTime);

FAKE_SYMBOL(graph_instantiate, cuGraphInstantiateWithFlags);
FAKE_SYMBOL(graph_upload, cuGraphUpload);
FAKE_SYMBOL(graph_launch, cuGraphLaunch);
FAKE_SYMBOL(graph_node_get_type, cuGraphNodeGetType);
FAKE_SYMBOL(graph_exec_kernel_node_set_params, cuGraphExecKernelNodeSetParams_v2);
FAKE_SYMBOL(graph_exec_destroy, cuGraphExecDestroy);
FAKE_SYMBOL(graph_destroy, cuGraphDestroy);

FAKE_SYMBOL(module_load_data_ex, cuModuleLoadDataEx);
FAKE_SYMBOL(module_unload, cuModuleUnload);
FAKE_SYMBOL(module_get_function, cuModuleGetFunction);
FAKE_SYMBOL(func_get_attribute, cuFuncGetAttribute);
FAKE_SYMBOL(func_set_attribute, cuFuncSetAttribute);
FAKE_SYMBOL(launch_kernel, cuLaunchKernel);

// Not in the table: a runtime of somebody else's (an engine) enqueues it.
FAKE_EXPORT edgert::cuda::Status cuLaunchHostFunc(edgert::cuda::StreamHandle,
                                                  void (*function)(void*), void* data);
