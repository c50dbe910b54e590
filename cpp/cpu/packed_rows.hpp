// The rows of a frame of any format and layout, as three packed bytes a pixel.
#pragma once

#include <cstdint>
#include <vector>

#include "frame.h"

namespace edgert::cpu {

// Columns [begin, end) of a frame's rows: where they are, or brought into `memory`, which is kept
// from frame to frame by whoever lends it. BGR, except that kRgb8 stays RGB.
class PackedRows {
 public:
  PackedRows(const FrameView& frame, int begin, int end, std::vector<std::uint8_t>& memory);

  // Good until the second next call: two neighbouring rows are there at once, and a row that is
  // asked for again is not brought again.
  const std::uint8_t* row(int y);

 private:
  void gather(int y, std::uint8_t* output) const;

  const FrameView& frame_;
  int begin_, end_;
  std::vector<std::uint8_t>& memory_;
  int gathered_[2] = {-1, -1};  // the row in each half of `memory`
};

}  // namespace edgert::cpu
