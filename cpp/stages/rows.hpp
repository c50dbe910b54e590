// Detections that a network has chosen by itself: rows of its output, read as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/affine.hpp"
#include "stages/detect.hpp"
#include "tensor.hpp"

namespace edgert {

// Belongs to one thread, and keeps its memory.
class RowReader {
 public:
  // Reads an output (1, rows, 6 + 3 * joints): a box's corners in network pixels, a score, a class,
  // and of each joint x, y in network pixels and a score. The score threshold, the class filter and
  // max_detections apply; nothing is suppressed. Best first, ties keep the upper row. A row with a
  // value that is not finite is dropped and counted, so is one of a class past `classes` (0: 2^24);
  // one without area, or of a class below 0, is none. Boxes are not clipped to the frame.
  void read(const TensorView& output, int classes, const BoxFilter& filter, const Affine& to_frame,
            Detections& detections);

 private:
  struct Candidate {
    float score;
    std::int32_t row;
  };
  std::vector<Candidate> candidates_;
};

}  // namespace edgert
