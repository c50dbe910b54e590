// How a network is fed and read, whatever runs it.
#pragma once

#include "stages/detect.hpp"
#include "stages/pose.hpp"
#include "warp.h"

namespace edgert {

struct DetectorLeg {
  Normalization normalization;
  int classes = 0;
  BoxFilter filter;
  int joints = 0;           // of a one-stage pose model
  bool end_to_end = false;  // its output is what RowReader reads, not the YOLOv8 head
};

struct PoseLeg {
  Normalization normalization;
  HeatmapLayout layout;
  double padding = 1.25;
};

// An appearance network: a person's crop in, a feature vector out.
struct ReidLeg {
  Normalization normalization;
  double padding = 1;
};

}  // namespace edgert
