// Loops that are worth it are compiled once per instruction set and chosen when the library is loaded.
// No FMA contraction (see CMakeLists.txt), so every version gives the same bits.
#pragma once

// Not under sanitizers: the loader's resolvers run before the sanitizer's own start.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(EDGERT_SANITIZED)
#define EDGERT_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EDGERT_MULTIVERSION
#endif
