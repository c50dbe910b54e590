// The pool: every index once, from several callers at a time, while its size changes.
#include "parallel.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "error.hpp"

using namespace edgert;

namespace {

void check_covers(std::size_t count, std::size_t grain) {
  std::vector<std::atomic<int>> seen(count);
  parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
    for (; begin < end; ++begin) ++seen[begin];
  });
  for (const auto& times : seen) CHECK(times == 1);
}

void test_every_index_once() {
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    CHECK(num_threads() == threads);
    for (const std::size_t count : {0, 1, 15, 16, 17, 1000, 4097}) check_covers(count, 16);
  }
}

void test_callers_at_the_same_time() {
  set_num_threads(3);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([] {
      for (int round = 0; round < 200; ++round) check_covers(500, 8);
    });
  }
  for (int i = 0; i < 20; ++i) set_num_threads(1 + i % 4);
  for (std::thread& caller : callers) caller.join();
}

void test_bad_counts() {
  CHECK_THROWS(set_num_threads(0), InvalidArgument);
  CHECK_THROWS(set_num_threads(-3), InvalidArgument);
  CHECK_THROWS(set_num_threads(100000), InvalidArgument);
}

}  // namespace

int main() {
  test_every_index_once();
  test_callers_at_the_same_time();
  test_bad_counts();
}
