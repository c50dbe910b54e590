// What a ByteTrack tracker can be told. The defaults are the reference implementation's.
#pragma once

#include <optional>

namespace edgert::track {

struct ByteTrackOptions {
  double track_high_thresh = 0.5;  // scores above it are matched first
  double track_low_thresh = 0.1;   // scores between the two are matched to what is left
  std::optional<double> new_track_thresh = {};  // unset: track_high_thresh + 0.1
  double match_thresh = 0.8;                    // largest cost of a first match
  double track_buffer = 30;  // frames at 30 frames a second that a lost track is kept
  double frame_rate = 30;
  bool fuse_score = true;           // cost 1 - IoU * score instead of 1 - IoU
  bool class_aware = false;         // match within a class only
  int min_hits = 1;                 // matches before a track is put out
  int history = 0;                  // boxes kept of each track
  double appearance_thresh = 0.25;  // largest half cosine distance that counts
  double proximity_thresh = 0.5;    // largest IoU distance at which appearance counts
  double feature_momentum = 0.9;    // of a track's smoothed feature

  // throws InvalidArgument naming the first option that cannot be used.
  void check() const;

  double new_track_threshold() const { return new_track_thresh.value_or(track_high_thresh + 0.1); }

  // Frames that a lost track stays: int(frame_rate / 30 * track_buffer), as the reference computes
  // it.
  double buffer_frames() const;
};

}  // namespace edgert::track
