#include "cpu/boxes.hpp"

#include <algorithm>
#include <cmath>

#include "parallel.hpp"
#include "scratch.hpp"
#include "simd.hpp"

namespace edgert::cpu {
namespace {

constexpr std::size_t kGrainAnchors = 2048;

// 0 * value is NaN for infinities and NaNs: one multiplication finds them without a branch.
EDGERT_MULTIVERSION
void check_row(const float* __restrict row, std::size_t count, float* __restrict finite) {
  for (std::size_t i = 0; i < count; ++i) finite[i] += 0.0f * row[i];
}

EDGERT_MULTIVERSION
void raise_best(const float* __restrict row, std::size_t count, float* __restrict best,
                float* __restrict finite) {
  for (std::size_t i = 0; i < count; ++i) {
    best[i] = best[i] < row[i] ? row[i] : best[i];
    finite[i] += 0.0f * row[i];
  }
}

// Marks the candidates in [begin, end) that the box of `by` suppresses.
EDGERT_MULTIVERSION
void suppress_overlaps(const float* __restrict x1, const float* __restrict y1,
                       const float* __restrict x2, const float* __restrict y2,
                       const float* __restrict areas, std::int32_t* __restrict classes, Box by,
                       float by_area, std::int32_t by_class, float threshold, std::size_t begin,
                       std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    const float overlap = iou(by, by_area, Box{x1[i], y1[i], x2[i], y2[i]}, areas[i]);
    classes[i] = classes[i] == by_class && overlap > threshold ? -1 : classes[i];
  }
}

bool joints_finite(const YoloHead& head, std::size_t anchor) {
  float sum = 0.0f;
  for (int i = 0; i < 3 * head.joints; ++i) sum += 0.0f * head.row(4 + head.classes + i)[anchor];
  return sum == 0.0f;
}

}  // namespace

void BoxDecoder::decode(const YoloHead& head, const BoxFilter& filter, const Affine& to_frame,
                        Detections& detections) {
  detections.clear();
  select(head, filter, detections.dropped_rows);
  sort_candidates();
  const std::size_t count = candidates_.size();
  reserve(x1_, count), reserve(y1_, count), reserve(x2_, count), reserve(y2_, count);
  reserve(area_, count), reserve(class_, count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto anchor = static_cast<std::size_t>(candidates_[i].anchor);
    const Box box = box_from_center(head.row(0)[anchor], head.row(1)[anchor], head.row(2)[anchor],
                                    head.row(3)[anchor]);
    x1_[i] = box.x1, y1_[i] = box.y1, x2_[i] = box.x2, y2_[i] = box.y2;
    area_[i] = area(box);
    class_[i] = candidates_[i].class_id;
  }
  suppress(filter);
  for (const std::size_t candidate : kept_) append(head, to_frame, candidate, detections);
}

void BoxDecoder::select(const YoloHead& head, const BoxFilter& filter, std::size_t& dropped_rows) {
  const auto anchors = static_cast<std::size_t>(head.anchors);
  float* best = reserve(best_, anchors);
  float* finite = reserve(finite_, anchors);
  parallel_for(anchors, kGrainAnchors, [&](std::size_t begin, std::size_t end) {
    // Blocks that stay in the first cache level while all rows pass over them.
    constexpr std::size_t kBlock = 1024;
    for (; begin < end; begin += kBlock) {
      const std::size_t count = std::min(kBlock, end - begin);
      std::fill_n(best + begin, count, -INFINITY);
      std::fill_n(finite + begin, count, 0.0f);
      for (int r = 0; r < 4; ++r) check_row(head.row(r) + begin, count, finite + begin);
      for (int c = 0; c < head.classes; ++c) {
        raise_best(head.row(4 + c) + begin, count, best + begin, finite + begin);
      }
    }
  });

  candidates_.clear();
  dropped_rows = 0;
  for (std::size_t i = 0; i < anchors; ++i) {
    if (finite[i] != 0.0f) {  // NaN
      ++dropped_rows;
      continue;
    }
    if (best[i] < filter.score_threshold) continue;
    if (!joints_finite(head, i)) {
      ++dropped_rows;
      continue;
    }
    int class_id = 0;
    while (head.row(4 + class_id)[i] != best[i]) ++class_id;
    const bool wanted = filter.wanted_classes.empty() ||
                        filter.wanted_classes[static_cast<std::size_t>(class_id)] != 0;
    const bool has_area = head.row(2)[i] > 0.0f && head.row(3)[i] > 0.0f;
    if (wanted && has_area)
      candidates_.push_back({best[i], static_cast<std::int32_t>(i), class_id});
  }
}

void BoxDecoder::sort_candidates() {
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.anchor < b.anchor;
  });
}

void BoxDecoder::suppress(const BoxFilter& filter) {
  kept_.clear();
  const std::size_t count = candidates_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (class_[i] < 0) continue;
    kept_.push_back(i);
    if (kept_.size() == static_cast<std::size_t>(filter.max_detections)) return;
    suppress_overlaps(x1_.data(), y1_.data(), x2_.data(), y2_.data(), area_.data(), class_.data(),
                      Box{x1_[i], y1_[i], x2_[i], y2_[i]}, area_[i], class_[i],
                      filter.nms_threshold, i + 1, count);
  }
}

void BoxDecoder::append(const YoloHead& head, const Affine& to_frame, std::size_t candidate,
                        Detections& detections) const {
  const Candidate& c = candidates_[candidate];
  const auto anchor = static_cast<std::size_t>(c.anchor);
  const auto x = [&](float network) { return static_cast<float>(to_frame.x(network)); };
  const auto y = [&](float network) { return static_cast<float>(to_frame.y(network)); };
  detections.boxes.push_back(
      {x(x1_[candidate]), y(y1_[candidate]), x(x2_[candidate]), y(y2_[candidate])});
  detections.scores.push_back(c.score);
  detections.class_ids.push_back(c.class_id);
  for (int joint = 0; joint < head.joints; ++joint) {
    const int row = 4 + head.classes + 3 * joint;
    detections.keypoints.push_back(x(head.row(row)[anchor]));
    detections.keypoints.push_back(y(head.row(row + 1)[anchor]));
    detections.keypoint_scores.push_back(head.row(row + 2)[anchor]);
  }
}

}  // namespace edgert::cpu
