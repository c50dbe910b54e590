// select_* and suppress_* bit for bit against the host's decoder.
#include <algorithm>
#include <cmath>

#include "cpu/outputs.hpp"
#include "half.h"
#include "kernels_fixture.hpp"

using namespace edgert;
using namespace edgert::cuda;

namespace {

struct Head {
  int classes, joints, anchors;
  std::vector<float> values;
  std::vector<std::uint16_t> halves;

  Head(int class_count, int joint_count, int anchor_count)
      : classes(class_count),
        joints(joint_count),
        anchors(anchor_count),
        values(static_cast<std::size_t>((4 + classes + 3 * joints) * anchors)) {}

  float& at(int row, int anchor) {
    return values[static_cast<std::size_t>(row) * static_cast<std::size_t>(anchors) +
                  static_cast<std::size_t>(anchor)];
  }
  TensorView view(DType dtype) {
    void* data = values.data();
    if (dtype == DType::kFloat16) {
      halves.resize(values.size());
      std::transform(values.begin(), values.end(), halves.begin(), to_half);
      data = halves.data();
    }
    return {data, dtype, 3, {1, 4 + classes + 3 * joints, anchors, 1}};
  }
};

// Boxes that crowd around a few centres, scores that tie, values that are not finite.
Head random_head(Random& random, int classes, int joints, int anchors) {
  Head head(classes, joints, anchors);
  const int centres = 1 + random.below(12), levels = random.one_in(2) ? 8 : 1000;
  const float size = random.one_in(2) ? 60.0f : 400.0f;
  const bool broken = random.one_in(2);
  for (int a = 0; a < anchors; ++a) {
    const auto centre = static_cast<float>(random.below(centres));
    head.at(0, a) = 50 * centre + random.between(-9, 9);
    head.at(1, a) = 30 * centre + random.between(-9, 9);
    head.at(2, a) = random.one_in(20) ? -1.0f : random.between(0, size);
    head.at(3, a) = random.one_in(20) ? 0.0f : random.between(0, size);
    for (int r = 4; r < 4 + classes; ++r) {
      head.at(r, a) = static_cast<float>(random.below(levels)) / static_cast<float>(levels);
      if (random.one_in(50)) head.at(r, a) = -0.0f;
    }
    for (int r = 4 + classes; r < 4 + classes + 3 * joints; ++r)
      head.at(r, a) = random.between(-10, 700);
    if (broken && random.one_in(10)) {
      constexpr float kBroken[] = {NAN, INFINITY, -INFINITY};
      head.at(random.below(4 + classes + 3 * joints), a) = kBroken[random.below(3)];
    }
  }
  return head;
}

struct Found {
  std::vector<std::uint8_t> memory;  // exactly what a result takes
  DetectedBoxes header;
  std::vector<DetectedBox> boxes;
  std::vector<float> joints;
};

Found decode(const Gpu& gpu, const TensorView& output, int classes, const BoxFilter& filter) {
  const int anchors = static_cast<int>(output.shape[2]);
  const int joints = static_cast<int>(output.shape[1] - 4 - classes) / 3;
  std::vector<std::uint8_t> scratch(Kernels::decode_scratch_bytes(anchors, filter.max_detections));
  const std::uint8_t* wanted =
      filter.wanted_classes.empty() ? nullptr : filter.wanted_classes.data();
  Found found{
      std::vector<std::uint8_t>(Kernels::decode_result_bytes(filter.max_detections, joints), 0xcd),
      {},
      {},
      {}};
  auto* const header = reinterpret_cast<DetectedBoxes*>(found.memory.data());
  for (int replay = 0; replay < 2; ++replay) {  // scratch is left over from the first
    gpu.kernels.decode_boxes(gpu.stream, output, classes, filter, wanted, scratch.data(), header);
  }
  gpu.wait();
  found.header = *header;
  const auto count = static_cast<std::size_t>(header->count);
  const auto* boxes = reinterpret_cast<const DetectedBox*>(header + 1);
  found.boxes.assign(boxes, boxes + count);
  const auto* points = reinterpret_cast<const float*>(boxes + filter.max_detections);
  found.joints.assign(points, points + count * 3 * static_cast<std::size_t>(joints));
  return found;
}

void check_decoding(const Gpu& gpu, Head& head, const BoxFilter& filter, DType dtype) {
  const TensorView output = head.view(dtype);
  Detections expected;
  cpu::OutputReader().decode_boxes(output, head.classes, filter, {}, expected);
  const Found found = decode(gpu, output, head.classes, filter);
  CHECK(static_cast<std::size_t>(found.header.dropped_rows) == expected.dropped_rows);
  CHECK(static_cast<std::size_t>(found.header.count) == expected.size());
  const auto joints = static_cast<std::size_t>(head.joints);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(same_bytes(found.boxes[i].box, expected.boxes[i]));
    CHECK(same_bytes(found.boxes[i].score, expected.scores[i]));
    CHECK(found.boxes[i].class_id == expected.class_ids[i]);
    for (std::size_t j = 0; j < joints; ++j) {
      const float* joint = found.joints.data() + 3 * (i * joints + j);
      CHECK(same_bytes(joint[0], expected.keypoints[2 * (i * joints + j)]));
      CHECK(same_bytes(joint[1], expected.keypoints[2 * (i * joints + j) + 1]));
      CHECK(same_bytes(joint[2], expected.keypoint_scores[i * joints + j]));
    }
  }
}

void test_random_heads(const Gpu& gpu, Random& random, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const int classes = random.one_in(2) ? 1 : 1 + random.below(12);
    const int joints = random.one_in(3) ? 1 + random.below(5) : 0;
    Head head = random_head(random, classes, joints, 1 + random.below(400));
    BoxFilter filter;
    constexpr float kScores[] = {0.0f, 0.25f, 0.9f};
    constexpr float kOverlaps[] = {0.0f, 0.45f, 0.7f, 1.0f};
    constexpr int kMost[] = {1, 7, 300, 1000};
    filter.score_threshold = kScores[random.below(3)];
    filter.nms_threshold = kOverlaps[random.below(4)];
    filter.max_detections = kMost[random.below(4)];
    if (random.one_in(2)) {
      filter.wanted_classes.resize(static_cast<std::size_t>(classes));
      for (auto& flag : filter.wanted_classes) flag = random.one_in(2) ? 1 : 0;
    }
    check_decoding(gpu, head, filter, random.one_in(2) ? DType::kFloat32 : DType::kFloat16);
  }
}

// As many candidates as there are anchors, more than fit in shared memory, all of one score.
void test_every_anchor_is_a_candidate(const Gpu& gpu) {
  constexpr int kAnchors = 8400, kSide = 100;
  Head head(1, 0, kAnchors);
  Random random(3);
  for (int a = 0; a < kAnchors; ++a) {
    head.at(0, a) = static_cast<float>(10 * (a % kSide));
    head.at(1, a) = static_cast<float>(10 * (a / kSide));
    head.at(2, a) = head.at(3, a) = 8;
    head.at(4, a) = random.one_in(2) ? 0.5f : random.between(0.3f, 1);
  }
  // None overlaps another: the best of all are kept, or all.
  BoxFilter filter;
  check_decoding(gpu, head, filter, DType::kFloat32);
  filter.max_detections = 2500;
  check_decoding(gpu, head, filter, DType::kFloat32);
  // Every box overlaps its neighbours: kept are few, from all windows.
  for (int a = 0; a < kAnchors; ++a) head.at(2, a) = head.at(3, a) = 70;
  filter.nms_threshold = 0.3f;
  check_decoding(gpu, head, filter, DType::kFloat16);
}

// Zeros of both signs are one score: the lower anchor comes first.
void test_signed_zeros_tie(const Gpu& gpu) {
  Head head(2, 0, 40);
  for (int a = 0; a < head.anchors; ++a) {
    head.at(0, a) = static_cast<float>(20 * a);
    head.at(2, a) = head.at(3, a) = 10;
    head.at(4, a) = a % 3 == 0 ? -0.0f : 0.0f;
    head.at(5, a) = a % 2 == 0 ? -0.0f : 0.0f;
  }
  BoxFilter filter;
  filter.score_threshold = 0;
  check_decoding(gpu, head, filter, DType::kFloat32);
}

// Two classes score alike: the first is meant, whichever thread looks at it.
void test_the_first_of_equal_classes(const Gpu& gpu) {
  constexpr int kClasses = 20;
  Head head(kClasses, 0, kClasses * kClasses);
  for (int a = 0; a < head.anchors; ++a) {
    head.at(0, a) = static_cast<float>(20 * a);
    head.at(2, a) = head.at(3, a) = 10;
    head.at(4 + a % kClasses, a) = head.at(4 + a / kClasses, a) = 0.5f;
  }
  check_decoding(gpu, head, {}, DType::kFloat32);
}

void test_nothing_to_find(const Gpu& gpu) {
  Head head(3, 0, 64);
  check_decoding(gpu, head, {}, DType::kFloat32);
  std::fill(head.values.begin(), head.values.end(), NAN);
  check_decoding(gpu, head, {}, DType::kFloat32);
  Head one(1, 2, 1);
  std::fill(one.values.begin(), one.values.end(), 1.0f);
  check_decoding(gpu, one, {}, DType::kFloat16);
}

}  // namespace

int main() {
  use_fake_driver();
  const Gpu gpu;
  Random random(5);
  test_random_heads(gpu, random, 30);
  test_every_anchor_is_a_candidate(gpu);
  test_signed_zeros_tie(gpu);
  test_the_first_of_equal_classes(gpu);
  test_nothing_to_find(gpu);
}
