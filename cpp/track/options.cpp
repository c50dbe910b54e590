#include "track/options.hpp"

#include <cmath>
#include <string>

#include "error.hpp"

namespace edgert::track {
namespace {

std::string text(double value) {
  std::string digits = std::to_string(value);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

void check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  throw InvalidArgument(std::string(name) + " is " + text(value) + ", expected a number from " +
                        text(low) + " to " + text(high));
}

}  // namespace

void ByteTrackOptions::check() const {
  check_range("track_high_thresh", track_high_thresh, 0, 1);
  check_range("track_low_thresh", track_low_thresh, 0, 1);
  if (new_track_thresh) check_range("new_track_thresh", *new_track_thresh, 0, 2);
  if (!(match_thresh > 0 && match_thresh <= 1)) {
    throw InvalidArgument("match_thresh is " + text(match_thresh) +
                          ", expected a cost over 0 and at most 1; 0.8 is the paper's");
  }
  check_range("track_buffer", track_buffer, 0, 1e9);
  if (!(frame_rate > 0 && frame_rate <= 1e6)) {
    throw InvalidArgument("frame_rate is " + text(frame_rate) +
                          ", expected frames per second over 0 and at most 1000000");
  }
  check_range("min_hits", min_hits, 1, 1e9);
  check_range("history", history, 0, 1e6);
  check_range("appearance_thresh", appearance_thresh, 0, 1);
  check_range("proximity_thresh", proximity_thresh, 0, 1);
  check_range("feature_momentum", feature_momentum, 0, 1);
}

double ByteTrackOptions::buffer_frames() const {
  return std::trunc(frame_rate / 30.0 * track_buffer);
}

}  // namespace edgert::track
