#include "cuda/cuda_error.hpp"

#include <atomic>
#include <cstdio>

namespace edgert::cuda {
namespace {

struct Names {
  const char* name = "unknown error";
  const char* text = "the driver has no text for it";
};

Names names_of(Status status) noexcept {
  Names names;
  try {
    const Driver& d = driver();
    const char* found = nullptr;
    if (d.get_error_name(status, &found) == kSuccess && found != nullptr) names.name = found;
    if (d.get_error_string(status, &found) == kSuccess && found != nullptr) names.text = found;
  } catch (...) {  // no driver to ask: the number has to do
  }
  return names;
}

// What is free on the device of the current context, as a sentence; empty where it does not say.
std::string free_memory() {
  std::size_t free_bytes = 0, total_bytes = 0;
  if (driver().mem_get_info(&free_bytes, &total_bytes) != kSuccess) return "";
  char text[96];
  constexpr double kMiB = 1 << 20;
  std::snprintf(text, sizeof text, "%zu bytes (%.1f MiB) of the device's %.1f MiB are free; ",
                free_bytes, static_cast<double>(free_bytes) / kMiB,
                static_cast<double>(total_bytes) / kMiB);
  return text;
}

std::string hint(Status status) {
  if (is_sticky(status))
    return "the device is lost to this process, whose every further call fails: restart it. "
           "CUDA_LAUNCH_BLOCKING=1 shows which call did it";
  switch (status) {
    case kOutOfMemory:
      return free_memory() +
             "take fewer lanes, a smaller batch or a smaller network, or end what else uses the "
             "device (nvidia-smi, on a Jetson tegrastats)";
    case kNotInitialized:
      return "CUDA does not survive fork(): start processes with the method \"spawn\"";
    case 200:  // CUDA_ERROR_INVALID_IMAGE
    case kNoBinaryForGpu:
    case 218:  // CUDA_ERROR_INVALID_PTX
    case 222:  // CUDA_ERROR_UNSUPPORTED_PTX_VERSION
      return "it is compiled for another GPU or a later driver, or is damaged: reinstall edgert";
    case 701:  // CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
      return "a block wants more registers, shared memory or threads than the device has";
    case 900:  // CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
    case kCaptureInvalidated:
      return "something enqueued while recording cannot be part of a graph: a wait for the "
             "stream, or work on the default stream";
    case 904:  // CUDA_ERROR_STREAM_CAPTURE_UNJOINED
      return "the recording has spread to another stream and has not been joined back by an event";
    default:
      return "";
  }
}

std::string message(const std::string& operation, Status status) {
  const Names names = names_of(status);
  const std::string advice = hint(status);
  return operation + ": " + names.name + " (" + std::to_string(status) + "): " + names.text +
         (advice.empty() ? "" : "; " + advice);
}

}  // namespace

bool is_sticky(Status status) {
  // The errors of which cuda.h says that the process must be terminated and relaunched, and those
  // after which the driver answers everything with the same: uncorrectable memory errors, a failed
  // assertion, an unknown error.
  switch (status) {
    case 214:  // ECC_UNCORRECTABLE
    case 226:  // CONTAINED
    case 700:  // ILLEGAL_ADDRESS
    case 702:  // LAUNCH_TIMEOUT
    case 710:  // ASSERT
    case 714:  // HARDWARE_STACK_ERROR
    case 715:  // ILLEGAL_INSTRUCTION
    case 716:  // MISALIGNED_ADDRESS
    case 717:  // INVALID_ADDRESS_SPACE
    case 718:  // INVALID_PC
    case 719:  // LAUNCH_FAILED
    case 721:  // TENSOR_MEMORY_LEAK
    case 810:  // MPS_CLIENT_TERMINATED
    case 999:  // UNKNOWN
      return true;
    default:
      return false;
  }
}

CudaError::CudaError(const std::string& operation, Status status)
    : Error(message(operation, status)), status_(status) {}

void check(Status status, const std::string& operation) {
  if (status != kSuccess) throw CudaError(operation, status);
}

void report(Status status, const char* operation) noexcept {
  // When the process ends, the driver may be gone before the last of its owners: all is freed.
  if (status == kSuccess || status == kDeinitialized) return;
  static std::atomic_flag lost;
  if (is_sticky(status) && lost.test_and_set()) return;  // once: everything that is left says it
  const Names names = names_of(status);
  std::fprintf(stderr, "edgert: %s: %s (%d): %s\n", operation, names.name, status, names.text);
}

}  // namespace edgert::cuda
