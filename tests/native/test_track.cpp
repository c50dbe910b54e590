// The native tracker: its filter against the 8x8 one, no allocation once warm, no harm from
// garbage.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <set>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "track/bytetrack.hpp"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

using namespace edgert::track;

struct Frame {
  std::vector<float> boxes, scores, features;
  std::vector<std::int32_t> class_ids;

  void add(float x1, float y1, float x2, float y2, float score) {
    boxes.insert(boxes.end(), {x1, y1, x2, y2});
    scores.push_back(score);
    class_ids.push_back(static_cast<std::int32_t>(scores.size() % 2));
  }
  Detections view() const {
    return {.boxes = std::span(boxes), .scores = std::span(scores), .class_ids = class_ids};
  }
};

// A crowd that walks over a torus, so that tracks end and begin all the time.
std::vector<Frame> crowd(std::uint32_t seed, std::size_t frames, std::size_t people) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  std::normal_distribution<float> normal;
  std::vector<std::array<float, 6>> state(people);
  for (auto& [x, y, vx, vy, width, height] : state) {
    x = 1000 * unit(random), y = 600 * unit(random);
    vx = 4 * normal(random), vy = 4 * normal(random);
    width = 20 + 30 * unit(random), height = 60 + 80 * unit(random);
  }
  std::vector<Frame> out(frames);
  for (Frame& frame : out) {
    for (auto& [x, y, vx, vy, width, height] : state) {
      x = std::fmod(x + vx + 1000, 1000.0f), y = std::fmod(y + vy + 600, 600.0f);
      if (unit(random) < 0.1f) continue;
      frame.add(x + normal(random), y + normal(random), x + width, y + height,
                unit(random) < 0.2f ? 0.3f : 0.9f);
      for (int i = 0; i < 20; ++i) frame.features.push_back(normal(random));
    }
  }
  return out;
}

void test_no_allocation_once_warm() {
  const std::vector<Frame> frames = crowd(1, 400, 120);
  ByteTrack tracker({.class_aware = true, .history = 8});
  std::size_t before = 0, tracked = 0;
  for (int pass = 0; pass < 3; ++pass) {
    tracker.reset();
    if (pass == 2) before = allocations;
    for (const Frame& frame : frames) {
      Detections detections = frame.view();
      detections.features = frame.features;
      detections.feature_width = 20;
      detections.warp = Warp{1, 0, 0.5, 0, 1, 0};
      tracked += tracker.update(detections).ids.size();
    }
  }
  CHECK(allocations == before);
  CHECK(tracked > 3 * 400 * 80);
}

void test_memory_stays_flat_over_many_updates() {
  const std::vector<Frame> frames = crowd(2, 500, 30);
  ByteTrack tracker;
  std::size_t before = 0;
  for (int pass = 0; pass < 40; ++pass) {
    if (pass == 20) before = allocations;
    for (const Frame& frame : frames) tracker.update(frame.view());
  }
  CHECK(allocations == before);
}

// A step of n frames equals n steps of one: time stamps and frame counts agree on whole frames.
void test_long_steps_equal_short_ones() {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> unit(0, 1);
  for (int round = 0; round < 200; ++round) {
    KalmanState once(Box{0, 0, 40, 100});
    for (int i = 0; i < 5; ++i) {
      const double x = 8 * i + unit(random);
      once.predict(TimeStep(1), true);
      once.update(Box{x, unit(random), x + 40, 100});
    }
    KalmanState often = once;
    const int steps = 2 + round % 20;
    once.predict(TimeStep(steps), false);
    for (int i = 0; i < steps; ++i) often.predict(TimeStep(1), false);
    // The same correction then moves both alike only if their covariances are equal.
    for (KalmanState* state : {&once, &often}) {
      state->update(Box{70, 5, 120, 120});
      state->predict(TimeStep(1), true);
    }
    const Box a = once.box(), b = often.box();
    for (const double gap : {a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2}) {
      CHECK(std::abs(gap) < 1e-9);
    }
  }
}

// Of a camera that turns, zooms and shifts, the filter before it and the filter after it agree.
void test_warp_is_exact_for_similarities() {
  std::mt19937 random(6);
  std::normal_distribution<double> normal;
  for (int round = 0; round < 200; ++round) {
    const double angle = normal(random), zoom = std::exp(0.3 * normal(random));
    const double c = zoom * std::cos(angle), s = zoom * std::sin(angle);
    const Warp warp{c, -s, 100 * normal(random), s, c, 100 * normal(random)};
    const auto box = [](double x, double y, double height) {
      return Box{x - 0.2 * height, y - 0.5 * height, x + 0.2 * height, y + 0.5 * height};
    };
    const auto warped = [&](double x, double y, double height) {
      return box(c * x - s * y + warp.tx, s * x + c * y + warp.ty, zoom * height);
    };
    double x = 0, y = 0, height = 100;
    KalmanState early(box(x, y, height)), late(warped(x, y, height));
    for (int i = 0; i < 12; ++i) {
      x += 5 + normal(random), y += 3 + normal(random), height += 1 + normal(random);
      early.predict(TimeStep(1), true);
      late.predict(TimeStep(1), true);
      if (i == 6) early.warp(warp);
      early.update(i < 6 ? box(x, y, height) : warped(x, y, height));
      late.update(warped(x, y, height));
    }
    early.predict(TimeStep(1), true);
    late.predict(TimeStep(1), true);
    const Box a = early.box(), b = late.box();
    for (const double gap : {a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2}) {
      CHECK(std::abs(gap) < 1e-9);
    }
  }
}

// What was seen, and what one false detection as wide as the picture may not hide or slow down.
void test_wide_and_inverted_boxes() {
  BoxIndex index;
  std::mt19937 random(7);
  std::vector<Box> boxes;
  for (int i = 0; i < 300; ++i) {
    const double x = double(random() % 5000), y = double(random() % 50);
    boxes.push_back({x, y, x + 1 + double(random() % 200), y + 1 + double(random() % 200)});
  }
  boxes.push_back({-1000, -1000, 9000, 9000});
  for (const double gate : {0.0, 0.2, 0.85}) {
    index.clear();
    for (const Box& box : boxes) index.add(box, gate);
    index.build();
    std::vector<Box> rows = boxes;
    rows.push_back({-900, -900, 8800, 8900});
    rows.push_back({3000, 10, -3000, 20});  // a height predicted below 0 turns a box inside out
    for (const Box& row : rows) {
      std::vector<std::int32_t> found, expected;
      index.for_each_overlap(row, [&](std::int32_t item, double overlap) {
        if (overlap > gate) found.push_back(item);
      });
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        if (iou(row, row.area(), boxes[i], boxes[i].area()) > gate) {
          expected.push_back(static_cast<std::int32_t>(i));
        }
      }
      std::sort(found.begin(), found.end());
      CHECK(found == expected);
    }
  }
}

// A lost track that a zooming camera carries away is let go before its numbers leave their range.
void test_lost_tracks_stay_within_bounds() {
  ByteTrack tracker({.track_buffer = 1e6});
  Frame frame;
  frame.add(100, 100, 150, 200, 0.9f);
  for (int i = 0; i < 3; ++i) tracker.update(frame.view());
  int frames = 0;
  do {
    tracker.update({.warp = Warp{100, 0, 0, 0, 100, 0}});
  } while (tracker.lost_count() > 0 && ++frames < 100);
  CHECK(tracker.lost_count() == 0 && frames > 2);
  CHECK(tracker.update(frame.view()).ids.empty());
  CHECK(tracker.update(frame.view()).ids[0] == 2);
}

// Floats of any bit pattern, extreme doubles, absurd options: state and output stay sound.
void test_garbage() {
  std::mt19937 random(4);
  const auto wild = [&random]() -> double {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    constexpr double kOdd[] = {0,    -0.0, kInf,  -kInf,  1e7,
                               -1e7, 1e-3, 1e300, 5e-324, std::numeric_limits<double>::quiet_NaN()};
    if (random() % 3 == 0) return kOdd[random() % std::size(kOdd)];
    const auto bits = static_cast<std::uint32_t>(random());
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return random() % 2 ? double{value} : static_cast<double>(random() % 300);
  };
  for (int round = 0; round < 400; ++round) {
    ByteTrack tracker({.track_high_thresh = round % 7 == 0 ? 0 : 0.5,
                       .match_thresh = round % 2 ? 1 : 0.8,
                       .track_buffer = double(round % 4),
                       .fuse_score = round % 3 != 0,
                       .class_aware = round % 5 == 0,
                       .history = round % 3,
                       .proximity_thresh = round % 2 ? 1 : 0.5});
    std::set<std::int64_t> last, ended;
    double time = 0;
    for (int i = 0; i < 40; ++i) {
      const std::size_t count = random() % (round % 10 == 0 ? 200 : 12);
      std::vector<double> boxes, scores;
      std::vector<float> features;
      std::vector<std::int32_t> class_ids;
      for (std::size_t row = 0; row < count; ++row) {
        if (random() % 4 == 0) {
          for (int k = 0; k < 4; ++k) boxes.push_back(wild());
        } else {
          const double x = double(random() % 200), y = double(random() % 200);
          boxes.insert(boxes.end(), {x, y, x + double(random() % 90), y + double(random() % 90)});
        }
        scores.push_back(random() % 50 == 0 ? std::nan("") : double(random() % 101) / 100);
        for (int k = 0; k < 5; ++k) features.push_back(static_cast<float>(wild()));
        class_ids.push_back(static_cast<std::int32_t>(random() % 3));
      }
      Detections detections{.boxes = std::span<const double>(boxes),
                            .scores = std::span<const double>(scores),
                            .class_ids = class_ids};
      if (round % 2) {
        detections.features = features;
        detections.feature_width = 5;
      }
      if (round % 4 == 1) detections.timestamp = time += std::exp(double(random() % 60) / 3 - 8);
      if (round % 4 == 2) detections.warp = Warp{2, double(random() % 9), 1e5, -1, 3, -1e5};
      if (random() % 20 == 0) {
        detections.warp = Warp{wild(), wild(), wild(), wild(), wild(), wild()};
      }
      TracksView tracks;
      try {
        tracks = tracker.update(detections);
      } catch (const edgert::InvalidArgument&) {
        continue;
      }
      const std::set<std::int64_t> ids(tracks.ids.begin(), tracks.ids.end());
      CHECK(ids.size() == tracks.ids.size());
      std::set<std::int32_t> taken;
      for (std::size_t row = 0; row < tracks.ids.size(); ++row) {
        const std::int32_t index = tracks.detection_indices[row];
        CHECK(index >= 0 && static_cast<std::size_t>(index) < count && taken.insert(index).second);
        CHECK(tracks.scores[row] == scores[static_cast<std::size_t>(index)]);
        const Box& box = tracks.boxes[row];
        for (const double x : {box.x1, box.y1, box.x2, box.y2}) CHECK(std::isfinite(x));
      }
    }
  }
}

void test_a_refused_frame_changes_nothing() {
  const std::vector<Frame> frames = crowd(5, 60, 40);
  ByteTrack a, b;
  for (const Frame& frame : frames) {
    Frame bad = frame;
    bad.scores.back() = 7;
    CHECK_THROWS(a.update(bad.view()), edgert::InvalidArgument);
    bad = frame;
    bad.boxes.pop_back();
    CHECK_THROWS(a.update(bad.view()), edgert::InvalidArgument);
    const TracksView x = a.update(frame.view()), y = b.update(frame.view());
    CHECK(std::equal(x.ids.begin(), x.ids.end(), y.ids.begin(), y.ids.end()));
    CHECK(std::memcmp(x.boxes.data(), y.boxes.data(), x.boxes.size_bytes()) == 0);
  }
}

}  // namespace

int main() {
  test_no_allocation_once_warm();
  test_memory_stays_flat_over_many_updates();
  test_long_steps_equal_short_ones();
  test_a_refused_frame_changes_nothing();
  test_warp_is_exact_for_similarities();
  test_wide_and_inverted_boxes();
  test_lost_tracks_stay_within_bounds();
  test_garbage();
}
