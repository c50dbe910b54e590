// What the kernels of detector decoding hand to each other.
#pragma once

#include "boxes.h"
#include "launch.h"

namespace edgert {

struct DetectorOutput {
  const void* data;  // (4 + classes + 3 * joints, anchors), float or half
  int classes, joints, anchors;
};

struct DecodeOptions {
  float score_threshold, nms_threshold;
  int max_detections;
  const unsigned char* wanted_classes;  // one flag a class; null: all
};

struct Selection {
  int candidates, dropped;
};

// How far select_* is; all zeros between frames.
struct Progress {
  unsigned long long done;  // blocks, and what they found: see Tally
  int candidates;           // places given away
};

// What blocks have found and how many they are, in one number: who adds his own last has the whole.
struct Tally {
  static constexpr int kBits = 24;
  static constexpr unsigned long long kMask = (1ULL << kBits) - 1;

  EDGERT_HD static unsigned long long of_block(int candidates, int dropped) {
    return 1ULL << 2 * kBits | static_cast<unsigned long long>(dropped) << kBits |
           static_cast<unsigned long long>(candidates);
  }
  EDGERT_HD static int blocks(unsigned long long tally) {
    return static_cast<int>(tally >> 2 * kBits);
  }
  EDGERT_HD static Selection found(unsigned long long tally) {
    return {static_cast<int>(tally & kMask), static_cast<int>(tally >> kBits & kMask)};
  }
};

// But for `progress` and `overlaps_done`, which are zeros before the first frame, what is read was
// written in the same frame.
struct DecodeScratch {
  Progress* progress;
  int* overlaps_done;        // how far suppress_* is; 0 between frames
  Selection* total;          // of the frame
  unsigned long long* keys;  // of the candidates; as many as anchors, rounded up to a power of two
  DetectedBox* boxes;        // per anchor; of candidates only
  DetectedBox* arrived;      // the first kFew of them, as their keys
  DetectedBox* window;       // the best kWindow candidates, in order
  unsigned* overlaps;        // kWindowWords rows: which better ones of a word each overlaps
  DetectedBox* kept;         // the result, best first
};

// Candidates in the order in which they suppress each other: by score descending, by anchor
// ascending.
EDGERT_HD unsigned long long candidate_key(float score, int anchor) {
  const unsigned bits = bits_of(score + 0.0f);  // of two zeros neither is more
  const unsigned ascending = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<unsigned long long>(~ascending) << 32 | static_cast<unsigned>(anchor);
}

EDGERT_HD int candidate_anchor(unsigned long long key) {
  return static_cast<int>(key & 0xffffffffu);
}

}  // namespace edgert
