// Where each track has been: its last boxes, newest over oldest.
#pragma once

#include <cstdint>
#include <vector>

#include "track/box.hpp"

namespace edgert::track {

class History {
 public:
  struct Entry {
    double time;  // the timestamp, or the frame's number from 1
    Box box;
  };

  // Keeps up to `depth` entries a track; 0: keeps nothing.
  explicit History(std::size_t depth) : depth_(depth) {}

  void forget(std::int32_t slot) {
    if (depth_ == 0) return;
    if (slot >= std::ssize(counts_)) {
      counts_.resize(slot + 1);
      ring_.resize(counts_.size() * depth_);
    }
    counts_[slot] = 0;
  }

  void add(std::int32_t slot, const Entry& entry) {
    if (depth_ == 0) return;
    ring_[slot * depth_ + counts_[slot]++ % depth_] = entry;
  }

  // Oldest first.
  std::vector<Entry> of(std::int32_t slot) const {
    std::vector<Entry> entries;
    if (depth_ == 0) return entries;
    const std::uint64_t end = counts_[slot];
    for (std::uint64_t i = end > depth_ ? end - depth_ : 0; i < end; ++i) {
      entries.push_back(ring_[slot * depth_ + i % depth_]);
    }
    return entries;
  }

 private:
  std::size_t depth_;
  std::vector<std::uint64_t> counts_;  // entries ever added to a slot
  std::vector<Entry> ring_;
};

}  // namespace edgert::track
