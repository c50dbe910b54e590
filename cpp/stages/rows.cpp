#include "stages/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "half.h"

namespace edgert {
namespace {

// From here on a float does not tell one whole number from the next.
constexpr float kAnyClass = 16777216.0f;

enum Column { kX1, kY1, kX2, kY2, kScore, kClass, kJoints };

class Rows {
 public:
  explicit Rows(const TensorView& output)
      : output_(output), width_(static_cast<std::size_t>(output.shape[2])) {}

  std::size_t count() const { return static_cast<std::size_t>(output_.shape[1]); }
  std::size_t width() const { return width_; }

  float operator()(std::size_t row, std::size_t column) const {
    const std::size_t at = row * width_ + column;
    return output_.dtype == DType::kFloat32
               ? static_cast<const float*>(output_.data)[at]
               : from_half(static_cast<const std::uint16_t*>(output_.data)[at]);
  }

  bool finite(std::size_t row) const {
    for (std::size_t column = 0; column < width_; ++column) {
      if (!std::isfinite((*this)(row, column))) return false;
    }
    return true;
  }

 private:
  const TensorView& output_;
  std::size_t width_;
};

}  // namespace

void RowReader::read(const TensorView& output, int classes, const BoxFilter& filter,
                     const Affine& to_frame, Detections& detections) {
  detections.clear();
  candidates_.clear();
  const Rows rows(output);
  const float limit = classes > 0 ? static_cast<float>(classes) : kAnyClass;
  const std::size_t wanted_count = filter.wanted_classes.size();
  for (std::size_t row = 0; row < rows.count(); ++row) {
    if (!rows.finite(row)) {
      ++detections.dropped_rows;
      continue;
    }
    const float score = rows(row, kScore), class_id = std::round(rows(row, kClass));
    if (score < filter.score_threshold || class_id < 0.0f) continue;
    if (rows(row, kX2) <= rows(row, kX1) || rows(row, kY2) <= rows(row, kY1)) continue;
    if (class_id >= limit) {
      ++detections.dropped_rows;
      continue;
    }
    const bool wanted =
        wanted_count == 0 || (class_id < static_cast<float>(wanted_count) &&
                              filter.wanted_classes[static_cast<std::size_t>(class_id)] != 0);
    if (wanted) candidates_.push_back({score, static_cast<std::int32_t>(row)});
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
  const std::size_t most = static_cast<std::size_t>(filter.max_detections);
  if (candidates_.size() > most) candidates_.resize(most);

  const auto x = [&](float network) { return static_cast<float>(to_frame.x(network)); };
  const auto y = [&](float network) { return static_cast<float>(to_frame.y(network)); };
  for (const Candidate& candidate : candidates_) {
    const auto row = static_cast<std::size_t>(candidate.row);
    detections.boxes.push_back(
        {x(rows(row, kX1)), y(rows(row, kY1)), x(rows(row, kX2)), y(rows(row, kY2))});
    detections.scores.push_back(candidate.score);
    detections.class_ids.push_back(static_cast<std::int32_t>(std::round(rows(row, kClass))));
    for (std::size_t column = kJoints; column + 2 < rows.width(); column += 3) {
      detections.keypoints.push_back(x(rows(row, column)));
      detections.keypoints.push_back(y(rows(row, column + 1)));
      detections.keypoint_scores.push_back(rows(row, column + 2));
    }
  }
}

}  // namespace edgert
