#include "cuda/module.hpp"

#include <cstdint>
#include <utility>

#include "cuda/cuda_error.hpp"

namespace edgert::cuda {
namespace {

constexpr int kErrorLog = 5, kErrorLogBytes = 6;  // CU_JIT_ERROR_LOG_BUFFER, ..._SIZE_BYTES
constexpr int kMaxDynamicSharedBytes = 8;         // CU_FUNC_ATTRIBUTE_...

std::string text(const Grid& grid) {
  return std::to_string(grid.x) + "x" + std::to_string(grid.y) + "x" + std::to_string(grid.z);
}

}  // namespace

void Function::launch_raw(const Launch& shape, StreamView stream, void** arguments) const {
  require(handle_ != nullptr, "launch: the function is empty; take one from a Module");
  device_->make_current();
  const Status status = driver().launch_kernel(
      handle_, shape.grid.x, shape.grid.y, shape.grid.z, shape.block.x, shape.block.y,
      shape.block.z, shape.shared_bytes, stream.handle(), arguments, nullptr);
  if (status != kSuccess)
    throw CudaError(std::string("launch ") + name_ + " as " + text(shape.grid) + " blocks of " +
                        text(shape.block) + " threads with " + std::to_string(shape.shared_bytes) +
                        " bytes of shared memory",
                    status);
}

void Function::allow_shared_bytes(int bytes) const {
  require(handle_ != nullptr, "allow_shared_bytes: the function is empty; take one from a Module");
  device_->make_current();
  check(driver().func_set_attribute(handle_, kMaxDynamicSharedBytes, bytes),
        std::string("allow ") + name_ + " " + std::to_string(bytes) +
            " bytes of shared memory a block, of " + std::to_string(device_->max_shared_bytes()));
}

Module::Module(std::shared_ptr<Device> device, const void* image, const std::string& what)
    : device_(std::move(device)), what_(what) {
  device_->make_current();
  char log[2048] = "";
  int options[] = {kErrorLog, kErrorLogBytes};
  void* values[] = {log, reinterpret_cast<void*>(std::uintptr_t{sizeof log})};
  const Status status = driver().module_load_data_ex(&handle_, image, 2, options, values);
  if (status != kSuccess)
    throw CudaError("load the kernels of " + what_ + " on " + device_->name() + " (sm_" +
                        std::to_string(device_->compute_capability()) + ")" +
                        (log[0] != '\0' ? std::string(", ") + log : ""),
                    status);
}

Module::~Module() {
  device_->make_current_for_cleanup();
  report(driver().module_unload(handle_), "unload kernels");
}

Function Module::function(const char* name) const {
  device_->make_current();
  FunctionHandle found = nullptr;
  check(driver().module_get_function(&found, handle_, name),
        std::string("find the kernel ") + name + " in " + what_);
  return Function(found, name, device_.get());
}

}  // namespace edgert::cuda
