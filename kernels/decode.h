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
  Selection found;
  int blocks_done;
};

// But for `progress`, which is zeros before the first frame, what is read was written in the same
// frame.
struct DecodeScratch {
  Progress* progress;
  Selection* total;          // of the frame
  unsigned long long* keys;  // of the candidates; as many as anchors, rounded up to a power of two
  DetectedBox* boxes;        // per anchor; of candidates only
  DetectedBox* window;       // the best kWindow candidates, in order
  unsigned* overlaps;        // kWindowWords each: which of the later ones it suppresses
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
