// What every call of the fake driver begins with: is there a driver, a context, a fault?
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "fake_cuda.hpp"

namespace edgert::fake {

using cuda::Status;

inline constexpr Status kInvalidValue = 1, kInvalidDevice = 101, kInvalidContext = 201,
                        kInvalidHandle = 400, kIllegalState = 401, kNotFound = 500,
                        kContextIsDestroyed = 709, kNotSupported = 801;

struct Facts {
  int devices = 1;
  std::string name = "Fake Orin";
  int capability = 87;
  int integrated = 0;
  std::size_t memory = std::size_t{1} << 30;
  int driver = 12060;
  int multiprocessors = 8;
  int shared = 163 * 1024;
  int concurrent_managed = -1;  // -1: as real devices have it, where the memory is not shared
};
const Facts& facts();

// 0, or what the call `function` has to return. Faults come first: cuInit can fail too.
Status enter(const char* function);
Status enter_without_context(const char* function);
// The status that the device was lost with, 0: it is there.
Status lost();
// Counts a call and says how it fails, as enter() does, without asking for a driver.
Status fault(const char* function);
// Waits until the streams have run or dropped what they have, once the device is lost: then memory
// can go. Gives lost().
Status wait_for_lost_work();
// Work that has been enqueued (+1) or is over (-1).
void count_work(int change);

int current_ordinal();

enum class Kind { kContext, kMemory, kManaged, kHost, kStream, kEvent, kGraph, kExec, kModule };
void count(Kind kind, long change);

}  // namespace edgert::fake
