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

// Nothing here needs to be cleared between frames: what is read was written in the same frame.
struct DecodeScratch {
  Selection* selections;       // a block of select_*
  unsigned long long* keys;    // kSelectAnchors a block, of which the first are candidates
  unsigned long long* sorted;  // as many as anchors, rounded up to a power of two
  DetectedBox* boxes;          // per anchor; of candidates only
  Selection* total;            // over all blocks
  DetectedBox* window;         // the best kWindow candidates, in order
  unsigned* overlaps;          // kWindowWords each: which of the later ones it suppresses
  DetectedBox* kept;           // the result, best first
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
