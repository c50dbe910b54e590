// Kernels: any image will do, what runs are functions of the host under the kernels' names.
#include <cstring>
#include <map>
#include <string>

#include "graph.hpp"

namespace edgert::cuda {

struct FunctionTag {
  const fake::EmulatedKernel* kernel;
  int ordinal;
  unsigned max_shared_bytes = 48 * 1024;
};

struct ModuleTag {
  static constexpr std::uint32_t kMagic = 0x57EA0005;
  std::uint32_t magic = kMagic;
  std::mutex mutex;
  std::map<std::string, FunctionTag> functions;  // that have been asked for
};

}  // namespace edgert::cuda

namespace edgert::fake {
namespace {

using namespace edgert::cuda;

constexpr unsigned kMaxThreads = 1024;

struct KernelCall {
  const EmulatedKernel* kernel;
  Shape shape;
  std::vector<std::vector<std::byte>> arguments;  // one allocation each, of its size

  void operator()() {
    std::vector<void*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    kernel->run(shape, pointers.data());
  }
};

struct AddedKernels {
  std::mutex mutex;
  std::map<std::string, EmulatedKernel, std::less<>> by_name;
};

AddedKernels& added() {
  static AddedKernels& kernels = *new AddedKernels;
  return kernels;
}

const EmulatedKernel* find_any_kernel(std::string_view name) {
  AddedKernels& kernels = added();
  const std::lock_guard lock(kernels.mutex);
  const auto found = kernels.by_name.find(name);
  return found != kernels.by_name.end() ? &found->second : find_kernel(name);
}

// A cubin is an ELF file, PTX a text with its version near the beginning.
bool is_image(const char* image) {
  constexpr std::size_t kHeader = 1024;
  return std::memcmp(image, "\177ELF", 4) == 0 ||
         std::string_view(image, strnlen(image, kHeader)).find(".version") !=
             std::string_view::npos;
}

}  // namespace

// Where no emulated kernels are linked in.
__attribute__((weak)) const EmulatedKernel* find_kernel(std::string_view) {
  return nullptr;
}

void add_kernel(const EmulatedKernel& kernel) {
  AddedKernels& kernels = added();
  const std::lock_guard lock(kernels.mutex);
  kernels.by_name.insert_or_assign(kernel.name, kernel);
}

Status prepare_kernel(FunctionHandle function, const Shape& shape, void** arguments,
                      Operation& operation) {
  if (function == nullptr || function->ordinal != current_ordinal()) return kInvalidHandle;
  std::uint64_t blocks = 1, threads = 1;
  for (int axis = 0; axis < 3; ++axis) {
    blocks *= shape.grid[axis];
    threads *= shape.block[axis];
  }
  if (blocks == 0 || threads == 0 || threads > kMaxThreads ||
      shape.shared_bytes > function->max_shared_bytes)
    return kInvalidValue;
  KernelCall call{function->kernel, shape, {}};
  for (std::size_t i = 0; i < call.kernel->argument_bytes.size(); ++i) {
    const auto* bytes = static_cast<const std::byte*>(arguments[i]);
    call.arguments.emplace_back(bytes, bytes + call.kernel->argument_bytes[i]);
  }
  operation.type = NodeType::kKernel;
  operation.work = std::move(call);
  operation.function = function;
  return kSuccess;
}

}  // namespace edgert::fake

using namespace edgert::fake;
using namespace edgert::cuda;

Status cuModuleLoadDataEx(ModuleHandle* module, const void* image, unsigned, int*, void**) {
  if (const Status status = enter(__func__)) return status;
  if (invalidate_strict_capture()) return kCaptureUnsupported;
  if (!is_image(static_cast<const char*>(image))) return kNoBinaryForGpu;
  *module = new ModuleTag;
  count(Kind::kModule, 1);
  return kSuccess;
}

Status cuModuleUnload(ModuleHandle module) {
  const Status status = enter(__func__);
  if (status != kSuccess && lost() == 0) return status;
  if (live(module) == nullptr) return kInvalidHandle;
  delete module;
  count(Kind::kModule, -1);
  return status;
}

Status cuModuleGetFunction(FunctionHandle* function, ModuleHandle module, const char* name) {
  if (const Status status = enter(__func__)) return status;
  if (live(module) == nullptr) return kInvalidHandle;
  const EmulatedKernel* kernel = find_any_kernel(name);
  if (kernel == nullptr) return kNotFound;
  const std::lock_guard lock(module->mutex);
  *function =
      &module->functions.try_emplace(name, FunctionTag{kernel, current_ordinal()}).first->second;
  return kSuccess;
}

Status cuFuncGetAttribute(int* value, int attribute, FunctionHandle function) {
  if (const Status status = enter(__func__)) return status;
  switch (attribute) {
    case 0:
      *value = kMaxThreads;
      return kSuccess;
    case 1:
    case 3:
      *value = 0;
      return kSuccess;  // static shared memory, local memory
    case 4:
      *value = 32;
      return kSuccess;  // registers
    case 8:
      *value = static_cast<int>(function->max_shared_bytes);
      return kSuccess;
    default:
      return kInvalidValue;
  }
}

Status cuFuncSetAttribute(FunctionHandle function, int attribute, int value) {
  if (const Status status = enter(__func__)) return status;
  if (attribute != 8 || value < 0 || value > facts().shared) return kInvalidValue;
  function->max_shared_bytes = static_cast<unsigned>(value);
  return kSuccess;
}

Status cuLaunchKernel(FunctionHandle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                      unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                      StreamHandle stream, void** arguments, void**) {
  if (const Status status = enter(__func__)) return status;
  Operation operation{};
  if (const Status status = prepare_kernel(
          function, {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes},
          arguments, operation))
    return status;
  return enqueue(stream, std::move(operation));
}
