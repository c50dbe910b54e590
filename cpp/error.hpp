// The exceptions of the native core. The text names the thing, what was found, what was expected
// and the fix; bindings/ turns the type into the Python exception of the same name.
#pragma once

#include <stdexcept>
#include <string>

namespace edgert {

// Anything that goes wrong in edgert while it works.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller gave an array or a parameter that cannot be used: ValueError in Python.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

// throws InvalidArgument(message) unless `condition` holds.
inline void require(bool condition, const char* message) {
  if (!condition) throw InvalidArgument(message);
}

}  // namespace edgert
