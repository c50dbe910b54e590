// A failed call of the driver, as an exception.
#pragma once

#include <string>

#include "cuda/driver.hpp"
#include "error.hpp"

namespace edgert::cuda {

// There is no driver, no device, or no kernel for it: the text says which, and what to do.
class UnavailableError : public Error {
 public:
  using Error::Error;
};

// "<operation>: <CUDA's name> (<number>): <CUDA's text>", and a hint for the usual causes.
class CudaError : public Error {
 public:
  CudaError(const std::string& operation, Status status);
  Status status() const { return status_; }

 private:
  Status status_;
};

// throws CudaError unless `status` is success. `operation` says what was done in words and with
// sizes ("allocate 12582912 bytes on cuda:0").
inline void check(Status status, const char* operation) {
  if (status != kSuccess) throw CudaError(operation, status);
}
void check(Status status, const std::string& operation);

// Whether the error has destroyed the device's context: every later call of the process fails.
bool is_sticky(Status status);

// For destructors: one line on standard error, never an exception. Of a lost device, one line for
// all that is left.
void report(Status status, const char* operation) noexcept;

}  // namespace edgert::cuda
