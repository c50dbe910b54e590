// ByteTrack (Zhang et al., 2022): detections in, the same people under the same ids out.
//
// Equal to the reference implementation (github.com/ifzhang/ByteTrack, yolox/tracker at d1bf019) in
// ids, order and detection indices, the quirks included; docs/tracking.md lists them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "track/appearance.hpp"
#include "track/assignment.hpp"
#include "track/clock.hpp"
#include "track/detections.hpp"
#include "track/history.hpp"
#include "track/kalman.hpp"
#include "track/options.hpp"

namespace edgert::track {

// The people tracked in one frame, in parallel; valid until the next update() or reset().
struct TracksView {
  std::span<const std::int64_t> ids;
  std::span<const Box> boxes;  // of the Kalman filter, frame pixels
  std::span<const double> scores;
  std::span<const std::int32_t> detection_indices;  // the row of the input that the track took
  std::span<const std::int32_t> class_ids;          // -1 where the input had none
  std::size_t dropped;                              // rows of the input that could not be used
};

class ByteTrack {
 public:
  // throws InvalidArgument naming the option that cannot be used.
  explicit ByteTrack(const ByteTrackOptions& options = {});

  // Takes one frame's detections. Allocates nothing once its buffers have grown to the scene.
  // throws InvalidArgument where the input as a whole makes no sense; the tracker is then
  // unchanged.
  TracksView update(const Detections& detections);

  // As new: ids start at 1 again. Buffers are kept.
  void reset();

  // The last boxes of a live track, oldest first.
  // throws InvalidArgument if the id is not tracked or lost now, or options().history is 0.
  std::vector<History::Entry> history(std::int64_t id) const;

  const ByteTrackOptions& options() const { return options_; }
  std::int64_t frame() const { return clock_.frame(); }
  std::size_t tracked_count() const { return tracked_.size(); }
  std::size_t lost_count() const { return lost_.size(); }

 private:
  using Slot = std::int32_t;  // where a track's state is kept; reused when it ends
  static constexpr std::int32_t kNone = Assignment::kNone;

  enum class Band { kHigh, kLow };  // of scores
  enum class Status : std::uint8_t { kTracked, kLost };

  struct Track {
    std::int64_t id;
    double start, seen;  // frames on the clock: first and last match
    double score;
    std::int32_t detection;
    std::int32_t class_id;
    std::int32_t hits;
    Status status;
    bool confirmed;
    bool expired;    // was removed once: ends at its next miss instead of becoming lost
    bool duplicate;  // ends this frame
  };

  void predict(double frames, const std::optional<Warp>& warp);
  void match_high();
  void match_low();
  void match_unconfirmed();
  void start_tracks();
  void retire();
  void end_duplicates();
  TracksView publish();

  void associate(std::span<const Slot> slots, Band band, double limit);
  double cost(Slot slot, const Candidates::Candidate& candidate, Band band, double overlap) const;
  void take(Slot slot, const Candidates::Candidate& candidate);
  void take_high(Slot slot, std::int32_t candidate);
  void end(Slot slot) { free_.push_back(slot); }
  Slot new_slot();

  ByteTrackOptions options_;
  double buffer_frames_, new_track_threshold_;
  Clock clock_;
  Intake intake_;
  Appearance appearance_;
  History history_;
  Assignment assignment_;
  std::int64_t last_id_ = 0;

  std::vector<KalmanState> states_;  // by slot, like the next two
  std::vector<Track> tracks_;
  std::vector<Box> boxes_;  // of the states
  std::vector<Slot> free_;

  std::vector<Slot> tracked_;  // seen in the last frame, confirmed or not, in output order
  std::vector<Slot> lost_;

  // Of one frame.
  std::vector<Slot> pool_, unconfirmed_, unmatched_, refound_, newly_lost_;
  std::vector<std::uint8_t> taken_;  // high candidates that have a track
  BoxIndex lost_index_;
  std::vector<std::int64_t> ids_;
  std::vector<Box> out_boxes_;
  std::vector<double> scores_;
  std::vector<std::int32_t> detection_indices_, class_ids_;
};

}  // namespace edgert::track
