// EDGERT_MULTIVERSION before a function: GCC compiles it once per x86-64 level and the loader picks
// the one for this machine (not under sanitizers, which start later than the loader). With
// -ffp-contract=off every level gives the same bits.
#pragma once

#include <cstddef>  // defines __GLIBC__ where there is one: only its loader resolves such functions

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12 && \
    !defined(__clang__) && !defined(EDGERT_SANITIZED)
#define EDGERT_HAS_VERSIONS
#define EDGERT_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EDGERT_MULTIVERSION
#endif

namespace edgert {

// The instruction set that the host's stages run with here.
inline const char* instruction_set() {
#if defined(EDGERT_HAS_VERSIONS)
  // What the loader asks, too.
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4 (AVX-512)";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3 (AVX2)";
#endif
#if defined(__aarch64__)
  return "AArch64 (NEON)";
#elif defined(__x86_64__)
  return "x86-64 (SSE2)";
#else
  return "the compiler's default";
#endif
}

// Vectors of the compiler (GCC and Clang): arithmetic lane by lane, in as many instructions as the
// machine needs for that width.
using Float4 = float __attribute__((vector_size(16)));
using Float8 = float __attribute__((vector_size(32)));
using Float16 = float __attribute__((vector_size(64)));

}  // namespace edgert
