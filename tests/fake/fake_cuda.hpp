// A CUDA driver in host memory, for tests of what is built on one. Device memory is the host's, of
// exact size and poisoned; a stream is a thread; nothing orders two of them but what the program
// asks for. So AddressSanitizer sees overruns and ThreadSanitizer sees missing synchronisation.
// It proves plumbing, never speed.
//
// From the environment, when the driver is first asked for:
//   EDGERT_FAKE_CUDA_DEVICE="integrated=1,memory=8589934592"  keys: devices name capability
//     integrated memory driver multiprocessors shared concurrent_managed
//   EDGERT_FAKE_CUDA_FAIL="cuMemAlloc_v2:3:2,cuGraphLaunch:0:719"  what fake_cuda_fail() takes
#pragma once

#include "emulated.hpp"
#include "symbols.hpp"

// The nth call of `function` from now on fails with `status`, nth = 0: every one. Of the errors
// that destroy a context (700, 719, 999, ...) every later call returns the same. "execute" stands
// for what a stream runs, which fails where the next call notices.
FAKE_EXPORT void fake_cuda_fail(const char* function, int nth, int status);

// Forgets all faults, those that have happened too.
FAKE_EXPORT void fake_cuda_heal();

// How many are alive: "context" (references), "memory", "managed" (both on the device), "host",
// "stream", "event", "graph", "exec", "module"; null: all together.
FAKE_EXPORT long fake_cuda_alive(const char* kind);

// Other facts than the environment's, for what is opened from now on.
FAKE_EXPORT void fake_cuda_device(const char* facts);

namespace edgert::fake {

// A kernel of the test's own, found before those of find_kernel().
__attribute__((visibility("default"))) void add_kernel(const EmulatedKernel& kernel);

}  // namespace edgert::fake
