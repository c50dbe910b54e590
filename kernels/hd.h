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

// Of two numbers, neither of them NaN. A GPU has an instruction for each; which of -0 and +0 is
// larger is theirs to say.
EDGERT_HD float larger(float a, float b) {
#if defined(__CUDA_ARCH__)
  return fmaxf(a, b);
#else
  return a > b ? a : b;
#endif
}

EDGERT_HD float smaller(float a, float b) {
#if defined(__CUDA_ARCH__)
  return fminf(a, b);
#else
  return a < b ? a : b;
#endif
}

// floor() without <cmath>; for |value| < 2^31.
EDGERT_HD int floor_to_int(float value) {
  const int truncated = static_cast<int>(value);
  return truncated - (value < static_cast<float>(truncated) ? 1 : 0);
}

EDGERT_HD unsigned bits_of(float value) {
  return __builtin_bit_cast(unsigned, value);
}

EDGERT_HD float float_of(unsigned bits) {
  return __builtin_bit_cast(float, bits);
}

// What nobody writes while a kernel reads it: a GPU takes the cache that is meant for that.
template <typename T>
EDGERT_HD T load(const T* address) {
#if defined(__CUDA_ARCH__)
  return __ldg(address);
#else
  return *address;
#endif
}

}  // namespace edgert
