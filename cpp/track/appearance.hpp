// What the tracked people look like: one smoothed feature vector a track, as in BoT-SORT
// (Aharon et al., 2022).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace edgert::track {

class Appearance {
 public:
  explicit Appearance(double momentum) : momentum_(static_cast<float>(momentum)) {}

  // Forgets every track, and the width of the features.
  void reset();

  // Takes the features of one frame, `width` a detection; none: this frame has no features. Vectors
  // that are not finite or of length 0 count as missing.
  // throws InvalidArgument where the width differs from that of earlier frames; keeps its state
  // then.
  void load(std::span<const float> features, std::size_t width);

  // True if this frame has features.
  bool any() const { return !usable_.empty(); }

  // Half the cosine distance of a track and a detection, in [0, 1]; 1 where either has no feature.
  double distance(std::int32_t slot, std::int32_t detection) const;

  // The track took the detection: its feature moves towards it.
  void absorb(std::int32_t slot, std::int32_t detection);

  // The slot changes hands.
  void forget(std::int32_t slot) {
    if (slot < std::ssize(known_)) known_[slot] = 0;
  }

 private:
  const float* detection(std::int32_t i) const { return &detections_[width_ * i]; }
  float* track(std::int32_t slot) { return &tracks_[width_ * slot]; }

  float momentum_;
  std::size_t width_ = 0;                   // 0: not known yet
  std::vector<float> detections_, tracks_;  // unit vectors
  std::vector<std::uint8_t> usable_;        // detection -> has a feature
  std::vector<std::uint8_t> known_;         // slot -> has a feature
};

}  // namespace edgert::track
