// Checks for the native tests. A failed one prints where and what, and ends the program with
// status 1.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (false)

// The statement throws `type`.
#define CHECK_THROWS(statement, type) \
  do {                                \
    bool caught = false;              \
    try {                             \
      statement;                      \
    } catch (const type&) {           \
      caught = true;                  \
    }                                 \
    CHECK(caught && #statement);      \
  } while (false)
