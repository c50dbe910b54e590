#include "stages/people.hpp"

#include <algorithm>
#include <cmath>

namespace edgert {

void People::clear() {
  boxes.clear();
  scores.clear();
  class_ids.clear();
  ids.clear();
  keypoints.clear();
  keypoint_scores.clear();
}

void People::add(const Detections& detections, std::size_t index, std::int64_t id) {
  boxes.push_back(detections.boxes[index]);
  scores.push_back(detections.scores[index]);
  class_ids.push_back(detections.class_ids[index]);
  ids.push_back(id);
  const std::size_t per_person = detections.keypoint_scores.size() / detections.size();
  const float* points = detections.keypoints.data() + 2 * per_person * index;
  keypoints.insert(keypoints.end(), points, points + 2 * per_person);
  const float* confidences = detections.keypoint_scores.data() + per_person * index;
  keypoint_scores.insert(keypoint_scores.end(), confidences, confidences + per_person);
}

void take_all(const Detections& detections, People& people) {
  people.clear();
  for (std::size_t i = 0; i < detections.size(); ++i) people.add(detections, i, -1);
}

void take_tracked(const Detections& detections, std::span<const std::int64_t> ids,
                  std::span<const std::int32_t> detection_indices, float untracked_above,
                  People& people) {
  people.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    people.add(detections, static_cast<std::size_t>(detection_indices[i]), ids[i]);
  }
  if (std::isnan(untracked_above)) return;
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const bool taken = std::find(detection_indices.begin(), detection_indices.end(),
                                 static_cast<std::int32_t>(i)) != detection_indices.end();
    if (!taken && detections.scores[i] > untracked_above) people.add(detections, i, -1);
  }
}

}  // namespace edgert
