#include "track/appearance.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.hpp"
#include "simd.hpp"

namespace edgert::track {
namespace {

constexpr std::size_t kLanes = 16;

// A fixed number of partial sums, whatever the instruction set: the same bits everywhere.
EDGERT_MULTIVERSION
float dot(const float* a, const float* b, std::size_t count) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) lanes[k] += a[i + k] * b[i + k];
  }
  for (std::size_t k = 0; i + k < count; ++k) lanes[k] += a[i + k] * b[i + k];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

// Scales to length 1. False, leaving `out` alone, where that is not possible. Divides by the
// largest entry first: squares of large and of tiny floats leave the range.
bool normalise(const float* in, float* out, std::size_t count) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(in[i])) return false;
    largest = std::max(largest, std::abs(in[i]));
  }
  if (largest < std::numeric_limits<float>::min()) return false;
  for (std::size_t i = 0; i < count; ++i) out[i] = in[i] / largest;
  const float length = std::sqrt(dot(out, out, count));
  for (std::size_t i = 0; i < count; ++i) out[i] /= length;
  return true;
}

}  // namespace

void Appearance::reset() {
  width_ = 0;
  usable_.clear();
  known_.clear();
}

void Appearance::load(std::span<const float> features, std::size_t width) {
  if (features.empty()) {
    usable_.clear();
    return;
  }
  if (width_ != 0 && width != width_) {
    throw InvalidArgument("features have " + std::to_string(width) + " values a row, expected " +
                          std::to_string(width_) +
                          " as in earlier frames; call reset() before changing the network");
  }
  width_ = width;
  const std::size_t count = features.size() / width;
  detections_.resize(features.size());
  usable_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    usable_[i] = normalise(&features[width * i], &detections_[width * i], width);
  }
}

double Appearance::distance(std::int32_t slot, std::int32_t detection) const {
  if (!usable_[detection] || slot >= std::ssize(known_) || !known_[slot]) return 1;
  const float cosine = dot(&tracks_[width_ * slot], &detections_[width_ * detection], width_);
  return std::clamp((1.0 - cosine) / 2, 0.0, 1.0);
}

void Appearance::absorb(std::int32_t slot, std::int32_t detection) {
  if (!any() || !usable_[detection]) return;
  if (slot >= std::ssize(known_)) {
    known_.resize(slot + 1, 0);
    tracks_.resize(known_.size() * width_);
  }
  float* const smooth = &tracks_[width_ * slot];
  const float* const fresh = &detections_[width_ * detection];
  if (known_[slot]) {
    for (std::size_t i = 0; i < width_; ++i) {
      smooth[i] = momentum_ * smooth[i] + (1 - momentum_) * fresh[i];
    }
    // Opposite vectors may cancel: then only the fresh one says anything.
    if (normalise(smooth, smooth, width_)) return;
  }
  std::copy(fresh, fresh + width_, smooth);
  known_[slot] = 1;
}

}  // namespace edgert::track
