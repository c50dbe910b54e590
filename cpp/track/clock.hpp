// Time in frames: counted, or measured from the timestamps that the caller gives.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "error.hpp"

namespace edgert::track {

class Clock {
 public:
  explicit Clock(double frame_rate) : frame_rate_(frame_rate) {}

  // Frames since the last frame: 1 without timestamps.
  // throws InvalidArgument where `timestamp` does not fit the ones before; changes nothing.
  double elapsed(const std::optional<double>& timestamp) const {
    if (timestamp && !std::isfinite(*timestamp)) {
      throw InvalidArgument("timestamp is " + std::to_string(*timestamp) +
                            ", expected finite seconds");
    }
    if (frame_ == 0) return 1;
    if (timestamp.has_value() != last_.has_value()) {
      throw InvalidArgument(std::string("timestamp is ") + (timestamp ? "given" : "missing") +
                            " but earlier frames had " + (timestamp ? "none" : "one") +
                            ", expected one for every frame or for none; call reset() to change");
    }
    if (!timestamp) return 1;
    if (*timestamp <= *last_) {
      throw InvalidArgument("timestamp is " + std::to_string(*timestamp) + ", expected more than " +
                            std::to_string(*last_) + ", the last frame's");
    }
    return (*timestamp - *last_) * frame_rate_;
  }

  void advance(double frames, const std::optional<double>& timestamp) {
    now_ += frames;
    last_ = timestamp;
    ++frame_;
  }

  double now() const { return now_; }            // frames
  std::int64_t frame() const { return frame_; }  // of this one, from 1
  double shown() const { return last_ ? *last_ : static_cast<double>(frame_); }

 private:
  double frame_rate_;
  double now_ = 0;
  std::int64_t frame_ = 0;
  std::optional<double> last_;
};

}  // namespace edgert::track
