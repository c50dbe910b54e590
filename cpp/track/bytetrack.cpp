#include "track/bytetrack.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.hpp"
#include "track/limits.hpp"

namespace edgert::track {
namespace {

constexpr double kClockRoom = 1e-6;   // frames; timestamps are not exact multiples of a frame
constexpr double kLongestStep = 1e6;  // frames predicted at once; keeps the state finite

const ByteTrackOptions& checked(const ByteTrackOptions& options) {
  options.check();
  return options;
}

}  // namespace

ByteTrack::ByteTrack(const ByteTrackOptions& options)
    : options_(checked(options)),
      buffer_frames_(options.buffer_frames()),
      new_track_threshold_(options.new_track_threshold()),
      clock_(options.frame_rate),
      intake_(options),
      appearance_(options.feature_momentum),
      history_(static_cast<std::size_t>(options.history)) {}

void ByteTrack::reset() {
  clock_ = Clock(options_.frame_rate);
  appearance_.reset();
  last_id_ = 0;
  for (std::vector<Slot>* list : {&tracked_, &lost_}) {
    free_.insert(free_.end(), list->begin(), list->end());
    list->clear();
  }
}

TracksView ByteTrack::update(const Detections& detections) {
  const double frames = clock_.elapsed(detections.timestamp);
  intake_.load(detections);
  appearance_.load(detections.features, detections.feature_width);

  clock_.advance(frames, detections.timestamp);
  predict(frames, detections.warp);
  match_high();
  match_low();
  match_unconfirmed();
  start_tracks();
  retire();
  end_duplicates();
  return publish();
}

// Unconfirmed tracks are not predicted: they have been seen once and have no velocity.
void ByteTrack::predict(double frames, const std::optional<Warp>& warp) {
  pool_.clear();
  unconfirmed_.clear();
  for (const Slot slot : tracked_) (tracks_[slot].confirmed ? pool_ : unconfirmed_).push_back(slot);
  pool_.insert(pool_.end(), lost_.begin(), lost_.end());

  const TimeStep step(std::min(frames, kLongestStep));
  for (const Slot slot : pool_) {
    states_[slot].predict(step, tracks_[slot].status == Status::kTracked);
    if (warp) states_[slot].warp(*warp);
    boxes_[slot] = states_[slot].box();
  }
  if (!warp) return;
  for (const Slot slot : unconfirmed_) {
    states_[slot].warp(*warp);
    boxes_[slot] = states_[slot].box();
  }
}

void ByteTrack::match_high() {
  refound_.clear();
  unmatched_.clear();
  taken_.assign(intake_.high.items.size(), 0);
  associate(pool_, Band::kHigh, options_.match_thresh);
  for (std::size_t row = 0; row < pool_.size(); ++row) {
    const Slot slot = pool_[row];
    const std::int32_t column = assignment_.column_of_row()[row];
    const bool was_tracked = tracks_[slot].status == Status::kTracked;
    if (column != kNone) {
      take_high(slot, column);
      if (!was_tracked) refound_.push_back(slot);
    } else if (was_tracked) {
      unmatched_.push_back(slot);
    }
  }
}

// Only tracks seen in the last frame: a low detection does not bring back a lost one.
void ByteTrack::match_low() {
  newly_lost_.clear();
  associate(unmatched_, Band::kLow, kLowLimit);
  for (std::size_t row = 0; row < unmatched_.size(); ++row) {
    const Slot slot = unmatched_[row];
    const std::int32_t column = assignment_.column_of_row()[row];
    if (column != kNone) {
      take(slot, intake_.low.items[column]);
    } else {
      tracks_[slot].status = Status::kLost;
      newly_lost_.push_back(slot);
    }
  }
}

void ByteTrack::match_unconfirmed() {
  associate(unconfirmed_, Band::kHigh, kUnconfirmedLimit);
  for (std::size_t row = 0; row < unconfirmed_.size(); ++row) {
    const Slot slot = unconfirmed_[row];
    const std::int32_t column = assignment_.column_of_row()[row];
    if (column != kNone) {
      take_high(slot, column);
      tracks_[slot].confirmed = true;
    } else {
      tracks_[slot].status = Status::kLost;  // leaves tracked_ below and enters no other list
      end(slot);
    }
  }
  std::erase_if(tracked_, [this](Slot slot) { return tracks_[slot].status != Status::kTracked; });
}

void ByteTrack::start_tracks() {
  for (std::size_t i = 0; i < intake_.high.items.size(); ++i) {
    const Candidates::Candidate& candidate = intake_.high.items[i];
    if (taken_[i] || candidate.score < new_track_threshold_) continue;
    const Slot slot = new_slot();
    states_[slot] = KalmanState(candidate.box);
    boxes_[slot] = states_[slot].box();
    tracks_[slot] = {.id = ++last_id_,
                     .start = clock_.now(),
                     .seen = clock_.now(),
                     .score = candidate.score,
                     .detection = candidate.index,
                     .class_id = candidate.class_id,
                     .hits = 1,
                     .status = Status::kTracked,
                     .confirmed = clock_.frame() == 1,
                     .expired = false,
                     .duplicate = false};
    appearance_.absorb(slot, candidate.index);
    history_.add(slot, {clock_.shown(), boxes_[slot]});
    tracked_.push_back(slot);
  }
  tracked_.insert(tracked_.end(), refound_.begin(), refound_.end());
}

// An expired track stays for one more frame, in which it can still be matched; found again then, it
// ends at its next miss. So does the reference.
void ByteTrack::retire() {
  const auto ends = [this](Slot slot) { return tracks_[slot].expired || !states_[slot].bounded(); };
  std::size_t kept = 0;
  for (const Slot slot : lost_) {
    if (tracks_[slot].status == Status::kTracked) continue;
    if (ends(slot)) {
      end(slot);
      continue;
    }
    tracks_[slot].expired = clock_.now() - tracks_[slot].seen > buffer_frames_ + kClockRoom;
    lost_[kept++] = slot;
  }
  lost_.resize(kept);
  for (const Slot slot : newly_lost_) {
    if (ends(slot)) {
      end(slot);
    } else {
      lost_.push_back(slot);
    }
  }
}

// Of a tracked and a lost track in one place the one with the longer life stays.
void ByteTrack::end_duplicates() {
  if (lost_.empty()) return;
  lost_index_.clear();
  for (const Slot slot : lost_) lost_index_.add(boxes_[slot], 1 - kDuplicateCost);
  lost_index_.build();
  bool any = false;
  for (const Slot slot : tracked_) {
    Track& track = tracks_[slot];
    lost_index_.for_each_overlap(boxes_[slot], [&](std::int32_t item, double iou) {
      Track& lost = tracks_[lost_[item]];
      if (!(1 - iou < kDuplicateCost)) return;
      if (options_.class_aware && track.class_id != lost.class_id) return;
      (track.seen - track.start > lost.seen - lost.start ? lost : track).duplicate = any = true;
    });
  }
  if (!any) return;
  for (std::vector<Slot>* list : {&tracked_, &lost_}) {
    std::erase_if(*list, [this](Slot slot) {
      if (tracks_[slot].duplicate) end(slot);
      return tracks_[slot].duplicate;
    });
  }
}

TracksView ByteTrack::publish() {
  ids_.clear();
  out_boxes_.clear();
  scores_.clear();
  detection_indices_.clear();
  class_ids_.clear();
  for (const Slot slot : tracked_) {
    const Track& track = tracks_[slot];
    if (!track.confirmed || track.hits < options_.min_hits) continue;
    ids_.push_back(track.id);
    out_boxes_.push_back(boxes_[slot]);
    scores_.push_back(track.score);
    detection_indices_.push_back(track.detection);
    class_ids_.push_back(track.class_id);
  }
  return {ids_, out_boxes_, scores_, detection_indices_, class_ids_, intake_.dropped};
}

void ByteTrack::associate(std::span<const Slot> slots, Band band, double limit) {
  Candidates& columns = band == Band::kHigh ? intake_.high : intake_.low;
  assignment_.begin(columns.items.size());
  for (const Slot slot : slots) {
    const auto offer = [&](std::int32_t column, double overlap) {
      if (band == Band::kHigh && taken_[column]) return;
      const double gain = limit - cost(slot, columns.items[column], band, overlap);
      if (gain > 0) assignment_.add(column, gain);
    };
    if (band == Band::kHigh && appearance_.any() && options_.proximity_thresh >= 1) {
      // Appearance may then join boxes that do not touch.
      const Box& box = boxes_[slot];
      for (std::int32_t column = 0; column < std::ssize(columns.items); ++column) {
        const Box& other = columns.items[column].box;
        offer(column, iou(box, box.area(), other, other.area()));
      }
    } else {
      columns.index.for_each_overlap(boxes_[slot], offer);
    }
    assignment_.end_row();
  }
  assignment_.solve();
}

double ByteTrack::cost(Slot slot, const Candidates::Candidate& candidate, Band band,
                       double overlap) const {
  if (options_.class_aware && tracks_[slot].class_id != candidate.class_id) return 1;
  const double distance = 1 - overlap;
  if (band == Band::kLow) return distance;
  const double motion = options_.fuse_score ? 1 - (1 - distance) * candidate.score : distance;
  if (!appearance_.any() || distance > options_.proximity_thresh) return motion;
  const double looks = appearance_.distance(slot, candidate.index);
  return looks > options_.appearance_thresh ? motion : std::min(motion, looks);
}

void ByteTrack::take(Slot slot, const Candidates::Candidate& candidate) {
  states_[slot].update(candidate.box);
  boxes_[slot] = states_[slot].box();
  Track& track = tracks_[slot];
  track.seen = clock_.now();
  track.score = candidate.score;
  track.detection = candidate.index;
  track.class_id = candidate.class_id;
  track.status = Status::kTracked;
  ++track.hits;
  history_.add(slot, {clock_.shown(), boxes_[slot]});
}

// Low detections are half hidden people: like BoT-SORT, only high ones tell what a track looks
// like.
void ByteTrack::take_high(Slot slot, std::int32_t candidate) {
  taken_[candidate] = 1;
  take(slot, intake_.high.items[candidate]);
  appearance_.absorb(slot, intake_.high.items[candidate].index);
}

ByteTrack::Slot ByteTrack::new_slot() {
  if (free_.empty()) {
    const Slot slot = static_cast<Slot>(tracks_.size());
    states_.emplace_back();
    tracks_.emplace_back();
    boxes_.emplace_back();
    free_.reserve(tracks_.capacity());
    history_.forget(slot);
    return slot;
  }
  const Slot slot = free_.back();
  free_.pop_back();
  appearance_.forget(slot);
  history_.forget(slot);
  return slot;
}

std::vector<History::Entry> ByteTrack::history(std::int64_t id) const {
  if (options_.history == 0) {
    throw InvalidArgument("history is 0, expected ByteTrack(history=...) with the boxes to keep");
  }
  for (const std::vector<Slot>* list : {&tracked_, &lost_}) {
    for (const Slot slot : *list) {
      if (tracks_[slot].id == id) return history_.of(slot);
    }
  }
  throw InvalidArgument("track id " + std::to_string(id) + " is neither tracked nor lost now");
}

}  // namespace edgert::track
