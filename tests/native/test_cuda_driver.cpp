// Finding the driver: what driver_state() says where there is none, an old one, or no device. Each
// test runs in a process of its own, since a driver is loaded once.
#include <filesystem>

#include "cuda_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

// driver_state() with this library and these facts; driver() agrees.
void check_state(const char* library, const char* facts, const char* fault,
                 const std::string& expected) {
  CHECK(in_child([&] {
          setenv("EDGERT_LIBCUDA", library, 1);
          setenv("EDGERT_FAKE_CUDA_DEVICE", facts, 1);
          setenv("EDGERT_FAKE_CUDA_FAIL", fault, 1);
          CHECK(contains(driver_state(), expected));
          if (expected == "ok") return;
          CHECK(contains(error_of<UnavailableError>([] { driver(); }), expected));
          CHECK_THROWS(Device::get(0), UnavailableError);
        }) == "");
}

void test_states_of_the_driver() {
  check_state(EDGERT_FAKE_CUDA, "", "", "ok");
  check_state("/nowhere/libcuda.so.1", "", "", "/nowhere/libcuda.so.1 not found");
  check_state(__FILE__, "", "", "cannot be loaded: ");
  check_state("libm.so.6", "", "", "says no version: is it NVIDIA's driver?");
  check_state(EDGERT_BROKEN_CUDA, "", "", "(driver 12.8) has no cuInit, which every driver");
  check_state(EDGERT_FAKE_CUDA, "driver=12020", "",
              "driver 12.2 found, 12.6 or later expected: update NVIDIA's driver to 560 or later");
  check_state(EDGERT_FAKE_CUDA, "driver=13000", "", "ok");
  check_state(EDGERT_FAKE_CUDA, "devices=0", "", "no CUDA device: the driver 12.6 sees none");
  check_state(EDGERT_FAKE_CUDA, "", "cuInit:1:999",
              "no CUDA device: cuInit says CUDA_ERROR_UNKNOWN (999): unknown error");
  check_state(EDGERT_FAKE_CUDA, "", "cuDeviceGetCount:1:3",
              "no CUDA device: cuDeviceGetCount says CUDA_ERROR_NOT_INITIALIZED (3)");
}

// Every member holds the symbol that it is named after: cuda_table.cpp has compared the types.
void test_the_table_is_filled_by_name() {
  in_child([] {
    use_fake_driver();
    const Driver& d = driver();
#define SYMBOL(member, symbol) CHECK(d.member == symbol);
#include "symbols.inc"
#undef SYMBOL
  });
}

// A failure is remembered: not every call of edgert.backends() opens libraries.
void test_a_failed_load_is_tried_again_under_another_name_only() {
  in_child([] {
    const auto link = std::filesystem::temp_directory_path() /
                      ("edgert_libcuda_" + std::to_string(getpid()) + ".so");
    setenv("EDGERT_LIBCUDA", link.c_str(), 1);
    const std::string absent = link.string() + " not found";
    CHECK(driver_state() == absent);
    std::filesystem::create_symlink(EDGERT_FAKE_CUDA, link);
    CHECK(driver_state() == absent);
    CHECK(contains(error_of<UnavailableError>([] { driver(); }), absent));
    setenv("EDGERT_LIBCUDA", EDGERT_FAKE_CUDA, 1);
    CHECK(driver_state() == "ok");
    setenv("EDGERT_LIBCUDA", "/nowhere", 1);  // there is one: it stays
    CHECK(driver_state() == "ok" && &driver() == &driver());
    std::filesystem::remove(link);
  });
}

void test_threads_load_one_driver() {
  in_child([] {
    use_fake_driver();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] { CHECK(Device::get(0)->ordinal() == 0 && driver_state() == "ok"); });
    for (std::thread& thread : threads) thread.join();
    CHECK(fake_cuda_alive(nullptr) == 0);
  });
}

void test_a_forked_process_is_told_what_to_do() {
  in_child([] {
    use_fake_driver();
    const std::shared_ptr<Device> device = Device::get(0);
    in_child([&] {
      const std::string text = error_of([&] { DeviceBuffer buffer(device, 64); });
      CHECK(contains(text, "CUDA_ERROR_NOT_INITIALIZED (3)") && contains(text, "\"spawn\""));
      _exit(0);  // its copy of the device is the parent's to release
    });
  });
}

}  // namespace

int main() {
  test_states_of_the_driver();
  test_the_table_is_filled_by_name();
  test_a_failed_load_is_tried_again_under_another_name_only();
  test_threads_load_one_driver();
  test_a_forked_process_is_told_what_to_do();
}
