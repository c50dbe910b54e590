// What GCC 12's libstdc++.a and later headers ask of a glibc after 2.28, in terms of 2.28; and
// pthread_atfork, which 2.28 has in its static part. The linker takes what is asked for into the
// module. Whatever else is missing shows in inspect_wheel.py as a symbol without a version.
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#define INSIDE __attribute__((visibility("hidden")))

// Since 2.32: whether a process has a single thread, so that reference counts need no atomics.
// Nobody keeps it up to date before that: never.
INSIDE char __libc_single_threaded = 0;

// Since 2.33 functions; before that headers called this one with a version of the structure.
int __fxstat(int version, int file, struct stat* out);

INSIDE int fstat64(int file, struct stat64* out) {
#ifdef __x86_64__
  enum { kVersion = 1 };
#else
  enum { kVersion = 0 };
#endif
  // 64-bit Linux has one structure under both names.
  return __fxstat(kVersion, file, (struct stat*)out);
}

// Of the module that this becomes a part of: a handler goes when the module does.
extern void* __dso_handle __attribute__((visibility("hidden")));
int __register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void),
                      void* module);

INSIDE int pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void)) {
  return __register_atfork(before, parent, child, __dso_handle);
}

enum { kNanoseconds = 1000000000 };

static long long nanoseconds(const struct timespec* time) {
  return (long long)time->tv_sec * kNanoseconds + time->tv_nsec;
}

// Since 2.30: waits by a clock that nobody sets. Before, waits go by the clock that can be set; to
// be right however it is set, none is longer than a second. One that ends early is a spurious
// wakeup, which callers have to expect of condition variables.
INSIDE int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const struct timespec* until) {
  struct timespec now, settable;
  if (clock_gettime(clock, &now) != 0 || clock_gettime(CLOCK_REALTIME, &settable) != 0)
    return EINVAL;
  const long long left = nanoseconds(until) - nanoseconds(&now);
  if (left <= 0) return ETIMEDOUT;
  const long long end = nanoseconds(&settable) + (left < kNanoseconds ? left : kNanoseconds);
  const struct timespec deadline = {end / kNanoseconds, end % kNanoseconds};
  const int status = pthread_cond_timedwait(condition, mutex, &deadline);
  return status == ETIMEDOUT && left > kNanoseconds ? 0 : status;
}
