// What a network's tensors hold besides float: IEEE half precision in bits, and INT8. Written so
// that the host's compiler turns loops over it into vector code.
#pragma once

#include "hd.h"

namespace edgert {

// Round to nearest even; overflow gives infinity, NaN stays NaN.
EDGERT_HD unsigned short to_half(float value) {
#if defined(__CUDA_ARCH__)
  unsigned short half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  const unsigned bits = bits_of(value);
  const unsigned sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  // Normal numbers: rebias the exponent, round at bit 13.
  const unsigned normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Subnormal halves: adding 0.5 leaves the rounded mantissa in the low bits (one ulp of 0.5 is
  // 2^-24).
  const unsigned subnormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  const unsigned special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const unsigned finite = magnitude < 0x38800000u ? subnormal : normal;
  return static_cast<unsigned short>(sign | (magnitude >= 0x477ff000u ? special : finite));
#endif
}

EDGERT_HD float from_half(unsigned short half) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#else
  const unsigned sign = static_cast<unsigned>(half & 0x8000u) << 16;
  const unsigned magnitude = half & 0x7fffu;
  // Scaling by 2^112 rebiases the exponent and normalises subnormals in one multiplication.
  const float scaled = float_of(magnitude << 13) * 0x1p112f;
  const unsigned special = (magnitude << 13) | 0x7f800000u;
  const unsigned bits = magnitude >= 0x7c00u ? special : bits_of(scaled);
  return float_of(sign | bits);
#endif
}

// An element of a tensor of floats or halves.
EDGERT_HD float widened(float value) {
  return value;
}

EDGERT_HD float widened(unsigned short half) {
  return from_half(half);
}

// Half to even, clamped to -128 to 127: what QuantizeLinear of scale 1 and zero point 0 gives.
EDGERT_HD signed char to_int8(float value) {
  // One ulp of 1.5 * 2^23 is 1: adding it leaves the rounded value in the low bits.
  const unsigned bits = bits_of(clamp(value, -128.0f, 127.0f) + 12582912.0f);
  return static_cast<signed char>(bits & 0xffu);
}

}  // namespace edgert
