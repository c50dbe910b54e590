// What the threads of one warp tell each other. Of the device alone.
#pragma once

namespace edgert {

// The value of lane `lane`, in every lane.
template <typename T>
__device__ inline T from_lane(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}

}  // namespace edgert
