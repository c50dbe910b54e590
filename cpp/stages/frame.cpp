#include "stages/frame.hpp"

#include <cmath>

namespace edgert {

// ITU-R BT.601-7 and BT.709-6: luma = kr R + kg G + kb B, U = (B - luma) / (2 (1 - kb)), V likewise
// of R; limited range gives luma 219 steps and chroma 224.
YuvMatrix yuv_matrix(YuvStandard standard, YuvRange range) {
  if (standard == YuvStandard::kBt601 && range == YuvRange::kLimited) return {};
  const bool limited = range == YuvRange::kLimited;
  const double kr = standard == YuvStandard::kBt601 ? 0.299 : 0.2126;
  const double kb = standard == YuvStandard::kBt601 ? 0.114 : 0.0722;
  const double kg = 1 - kr - kb;
  const double chroma = limited ? 255.0 / 224 : 1;
  const auto fixed = [](double value) { return static_cast<int>(std::lround(value * (1 << 20))); };
  return {limited ? 16 : 0,
          fixed(limited ? 255.0 / 219 : 1),
          fixed(chroma * 2 * (1 - kr)),
          fixed(-chroma * 2 * (1 - kb) * kb / kg),
          fixed(-chroma * 2 * (1 - kr) * kr / kg),
          fixed(chroma * 2 * (1 - kb))};
}

}  // namespace edgert
