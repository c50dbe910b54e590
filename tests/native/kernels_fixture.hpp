// What the tests of kernels/*.cu share: a device of the fake driver, whose memory is the host's, so
// that any vector is device memory of exactly its size.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "cuda/kernels.hpp"

namespace edgert::cuda {

// A folder of its own with files that the fake driver takes for kernels.
class KernelFolder {
 public:
  explicit KernelFolder(const std::vector<std::string>& names) {
    std::string path = (std::filesystem::temp_directory_path() / "edgert_kernels_XXXXXX").string();
    CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
    for (const std::string& name : names) std::ofstream(path_ / name) << "\177ELF .version";
  }
  ~KernelFolder() { std::filesystem::remove_all(path_); }
  KernelFolder(const KernelFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Gpu {
  Gpu() : Gpu(KernelFolder({"edgert.sm_87.cubin"})) {}
  explicit Gpu(const KernelFolder& folder) : kernels(device, folder.path()) {}

  void wait() const { stream.view().synchronize(); }

  std::shared_ptr<Device> device = Device::get(0);
  Stream stream{device};
  Kernels kernels;
};

inline void use_fake_driver() {
  setenv("EDGERT_LIBCUDA", EDGERT_FAKE_CUDA, 1);
}

// Numbers that two standard libraries agree on.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int end) { return static_cast<int>(engine_() % static_cast<unsigned>(end)); }
  bool one_in(int n) { return below(n) == 0; }
  // In [low, high).
  float between(float low, float high) {
    return low + (high - low) * (static_cast<float>(engine_() >> 8) * 0x1p-24f);
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(engine_() >> 16); }

 private:
  std::mt19937 engine_;
};

template <typename T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

}  // namespace edgert::cuda
