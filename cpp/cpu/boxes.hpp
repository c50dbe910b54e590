// Decoding and non-maximum suppression on the host.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/detect.hpp"

namespace edgert::cpu {

// Decodes one image's detector output. Keeps its memory: once warm, decode() allocates nothing.
class BoxDecoder {
 public:
  // The best class of each anchor, then the class filter, then score >= threshold, then greedy
  // suppression within a class of IoU > nms_threshold. Ties keep the lower anchor, the lower class.
  // An anchor with a value that is not finite is dropped and counted; one without area is no box.
  // Boxes are not clipped to the frame.
  void decode(const YoloHead& head, const BoxFilter& filter, const Affine& to_frame,
              Detections& detections);

 private:
  void select(const YoloHead& head, const BoxFilter& filter, std::size_t& dropped_rows);
  void sort_candidates();
  void suppress(const BoxFilter& filter);
  void append(const YoloHead& head, const Affine& to_frame, std::size_t candidate,
              Detections& detections) const;

  struct Candidate {
    float score;
    std::int32_t anchor;
    std::int32_t class_id;
  };
  std::vector<float> best_;    // per anchor: the score of its best class
  std::vector<float> finite_;  // per anchor: 0, or NaN where a value is not finite
  std::vector<Candidate> candidates_;
  std::vector<float> x1_, y1_, x2_, y2_, area_;  // of the candidates, network pixels
  std::vector<std::int32_t> class_;              // of the candidates; -1 once suppressed
  std::vector<std::size_t> kept_;
};

}  // namespace edgert::cpu
