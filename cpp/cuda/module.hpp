// Compiled kernels and their launch.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "cuda/device.hpp"
#include "cuda/stream.hpp"

namespace edgert::cuda {

struct Grid {
  unsigned x = 1, y = 1, z = 1;
  bool operator==(const Grid&) const = default;
};

struct Launch {
  Grid grid;
  Grid block;
  unsigned shared_bytes = 0;
  bool operator==(const Launch&) const = default;
};

class Function {
 public:
  Function() = default;
  // `device`, which the function's module holds, outlives it; so does `name`.
  Function(FunctionHandle handle, const char* name, const Device* device)
      : handle_(handle), name_(name), device_(device) {}

  // Arguments are copied by the driver before it returns; each must have exactly the type of the
  // kernel's parameter.
  template <typename... Arguments>
  void launch(const Launch& shape, StreamView stream, const Arguments&... arguments) const {
    std::array<void*, sizeof...(Arguments) + 1> pointers{
        const_cast<void*>(static_cast<const void*>(&arguments))..., nullptr};
    launch_raw(shape, stream, pointers.data());
  }
  // Lets a block use more dynamic shared memory than 48 KiB.
  void allow_shared_bytes(int bytes) const;
  FunctionHandle handle() const { return handle_; }
  const char* name() const { return name_; }

 private:
  void launch_raw(const Launch& shape, StreamView stream, void** arguments) const;

  FunctionHandle handle_ = nullptr;
  const char* name_ = "";
  const Device* device_ = nullptr;
};

class Module {
 public:
  // `image`: a cubin, or PTX ending in a zero. `what` names it in errors.
  Module(std::shared_ptr<Device> device, const void* image, const std::string& what);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  Function function(const char* name) const;

 private:
  std::shared_ptr<Device> device_;
  std::string what_;
  ModuleHandle handle_ = nullptr;
};

}  // namespace edgert::cuda
