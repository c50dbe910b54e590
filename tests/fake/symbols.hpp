// What the fake driver exports: the driver's own names with the types of edgert's table, so that a
// definition that differs does not compile.
#pragma once

#include <type_traits>

#include "cuda/driver.hpp"

#define FAKE_EXPORT extern "C" __attribute__((visibility("default")))
#define SYMBOL(member, symbol) \
  FAKE_EXPORT std::remove_pointer_t<decltype(edgert::cuda::Driver::member)> symbol;
#include "symbols.inc"
#undef SYMBOL

// Not in the table: a runtime of somebody else's (an engine) enqueues it.
FAKE_EXPORT edgert::cuda::Status cuLaunchHostFunc(edgert::cuda::StreamHandle,
                                                  void (*function)(void*), void* data);
