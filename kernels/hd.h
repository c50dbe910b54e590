// What host and device compilers need to read the same text. Includes nothing: NVRTC has no
// headers.
#pragma once

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define EDGERT_HD __host__ __device__ inline
#else
#define EDGERT_HD inline
#endif

namespace edgert {

EDGERT_HD float clamp(float value, float low, float high) {
  return value < low ? low : (value > high ? high : value);
}

EDGERT_HD int clamp(int value, int low, int high) {
  return value < low ? low : (value > high ? high : value);
}

// floor() without <cmath>; for |value| < 2^31.
EDGERT_HD int floor_to_int(float value) {
  const int truncated = static_cast<int>(value);
  return truncated - (value < static_cast<float>(truncated) ? 1 : 0);
}

}  // namespace edgert
