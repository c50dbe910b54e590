// Devices and their primary contexts.
#pragma once

#include "state.hpp"

namespace edgert::fake {

inline constexpr int kMaxDevices = 8;

bool initialised_in(int process);  // a driver does not survive fork()
Status check_current_context();

// Memory in use on the device of the current context.
bool take_memory(std::size_t bytes);  // false: that much is not free
void give_memory(int ordinal, std::size_t bytes);

}  // namespace edgert::fake
