#include "stages/pose.hpp"

#include <array>
#include <cmath>

namespace edgert {

BlurKernel gaussian(int size) {
  const int radius = size / 2;
  const double sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  std::array<double, kDarkMaxBlur> exact{};
  double sum = 0;
  for (int i = 0; i < size; ++i) {
    const double distance = i - radius;
    exact[static_cast<std::size_t>(i)] = std::exp(-distance * distance / (2 * sigma * sigma));
    sum += exact[static_cast<std::size_t>(i)];
  }
  BlurKernel kernel{radius, {}};
  for (std::size_t i = 0; i < exact.size(); ++i)
    kernel.weights[i] = static_cast<float>(exact[i] / sum);
  return kernel;
}

}  // namespace edgert
