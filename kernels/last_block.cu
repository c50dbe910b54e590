// Which block of a launch ends last.
#pragma once

namespace edgert {

// Adds `own` to `*total` when all of the block have come here, and gives every thread what it is
// then. Who sees that all other blocks have been here sees all that they wrote before.
template <typename T>
__device__ inline T after_block(T* total, T own) {
  __shared__ T sum;
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    // What the others of the block wrote before the barrier is seen no later than this thread's
    // own.
    __threadfence();
    sum = atomicAdd(total, own) + own;
    __threadfence();
  }
  __syncthreads();
  return sum;
}

}  // namespace edgert
