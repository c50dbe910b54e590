// The pipeline with networks made of a few lines: order, errors, overlap, and that nothing is
// allocated once it is warm.
#include "pipeline.hpp"

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "cpu/cpu_backend.hpp"
#include "error.hpp"
#include "parallel.hpp"
#include "stages/preprocess.hpp"

using namespace edgert;
using namespace std::chrono_literals;

namespace {

constexpr int kClasses = 80, kAnchors = 300, kSize = 64, kJoints = 17, kCells = 16, kPoseBatch = 4,
              kFeatures = 8;

struct Memory {
  std::vector<float> input, output;
};

class FakeEngine final : public Engine {
 public:
  using Work = std::function<void(int batch, Memory& memory)>;

  FakeEngine(Work work, std::unique_ptr<Memory> memory, TensorView input, TensorView output)
      : Engine(input, {output}), work_(std::move(work)), memory_(std::move(memory)) {}

  void run(int batch) override { work_(batch, *memory_); }

 private:
  Work work_;
  std::unique_ptr<Memory> memory_;
};

std::unique_ptr<Engine> make_engine(int batch, std::array<std::int64_t, 4> output_shape, int rank,
                                    FakeEngine::Work work) {
  auto memory = std::make_unique<Memory>();
  TensorView input{nullptr, DType::kFloat32, 4, {batch, 3, kSize, kSize}};
  TensorView output{nullptr, DType::kFloat32, rank, output_shape};
  memory->input.resize(static_cast<std::size_t>(input.elements()));
  memory->output.resize(static_cast<std::size_t>(output.elements()));
  input.data = memory->input.data();
  output.data = memory->output.data();
  return std::make_unique<FakeEngine>(std::move(work), std::move(memory), input, output);
}

// `count` people in a row, a little further right in every frame.
void detect_people(Memory& memory, int frame, int count) {
  std::fill(memory.output.begin(), memory.output.end(), 0.0f);
  for (int i = 0; i < count; ++i) {
    const auto anchor = static_cast<std::size_t>(7 * i);
    const float values[5] = {static_cast<float>(4 + 6 * i) + 0.1f * static_cast<float>(frame % 20),
                             30, 5, 20, 0.9f};
    for (std::size_t row = 0; row < 5; ++row) memory.output[row * kAnchors + anchor] = values[row];
  }
}

struct Setup {
  std::function<void(int frame, Memory&)> detect = [](int frame, Memory& m) {
    detect_people(m, frame, 5);
  };
  std::function<void(Memory&)> pose = [](Memory& m) {
    std::fill(m.output.begin(), m.output.end(), 0.1f);
    for (std::size_t map = 0; map < kPoseBatch * kJoints; ++map)
      m.output[map * kCells * kCells + 37] = 0.8f;
  };
  bool with_pose = true;
  bool with_reid = false;
  bool tracked = true;
  int lanes = 2;
};

std::unique_ptr<Pipeline> make_pipeline(Setup setup) {
  const Normalization normalization = normalize({0, 0, 0}, {1, 1, 1}, 114);
  auto detector = make_engine(
      1, {1, 4 + kClasses, kAnchors, 1}, 3,
      [detect = setup.detect, frame = 0](int, Memory& memory) mutable { detect(frame++, memory); });
  cpu::Network<PoseLeg> pose;
  if (setup.with_pose) {
    pose = {make_engine(kPoseBatch, {kPoseBatch, kJoints, kCells, kCells}, 4,
                        [pose = setup.pose](int, Memory& memory) { pose(memory); }),
            {normalization, {}, 1.25}};
  }
  cpu::Network<ReidLeg> reid;
  if (setup.with_reid) {
    reid = {make_engine(kPoseBatch, {kPoseBatch, kFeatures, 1, 1}, 2,
                        [](int batch, Memory& memory) {
                          std::fill(memory.output.begin(), memory.output.end(), 0.0f);
                          for (int i = 0; i < batch; ++i) {
                            memory.output[static_cast<std::size_t>(kFeatures * i + i % 3)] = 1;
                          }
                        }),
            {normalization, 1.0}};
  }
  TrackerLeg tracker{setup.tracked ? std::make_shared<track::ByteTrack>() : nullptr, false};
  BoxFilter filter;
  filter.score_threshold = 0.1f;
  const auto lanes = static_cast<std::size_t>(setup.lanes);
  cpu::Network<DetectorLeg> network{std::move(detector), {normalization, kClasses, filter, 0}};
  return std::make_unique<Pipeline>(
      std::make_unique<cpu::CpuBackend>(std::move(network), std::move(reid), std::move(pose),
                                        lanes),
      std::move(tracker), lanes);
}

struct Pixels {
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(100 * 80 * 3, 128);
  FrameView view{bytes.data(), 100, 80, 300, 3, 1};
};

void submit(Pipeline& pipeline, const Pixels& picture, int stream, double time_s) {
  pipeline.take_in({picture.view});
  CHECK(pipeline.wait_for_lane(10s));
  pipeline.submit(stream, time_s);
}

Passage& next(Pipeline& pipeline) {
  Passage* passage = pipeline.wait_for_result(10s);
  CHECK(passage != nullptr);
  return *passage;
}

void test_nothing_is_allocated_once_warm() {
  const Pixels picture;
  Setup setup;
  setup.with_reid = true;
  auto pipeline = make_pipeline(setup);
  const auto frame = [&](int stream) {
    submit(*pipeline, picture, stream, 0);
    CHECK(next(*pipeline).people.size() == 5);
    pipeline->release();
  };
  for (int i = 0; i < 60; ++i) frame(i % 2);
  const std::size_t before = allocations;
  for (int i = 0; i < 500; ++i) frame(i % 2);
  CHECK(allocations == before);
}

void test_results_come_in_order_with_lanes_in_flight() {
  const Pixels picture;
  for (const int lanes : {1, 2, 5}) {
    Setup setup;
    setup.lanes = lanes;
    setup.detect = [](int frame, Memory& m) { detect_people(m, frame, frame % 9); };
    auto pipeline = make_pipeline(setup);
    int submitted = 0, collected = 0;
    while (collected < 200) {
      while (submitted - collected < lanes + 1) {
        submit(*pipeline, picture, 0, submitted++);
      }
      CHECK(!pipeline->wait_for_lane(0ms));
      const Passage& passage = next(*pipeline);
      CHECK(passage.time_s == collected);
      CHECK(passage.error == nullptr);
      CHECK(passage.people.keypoints.size() == passage.people.size() * kJoints * 2);
      pipeline->release();
      ++collected;
    }
    CHECK(pipeline->in_flight() == submitted - collected);
  }
}

// The pose of frame 0 waits until frame 1 has been detected: a pipeline that runs its legs in turn
// would never get there.
void test_detection_goes_on_while_the_pose_network_works() {
  const Pixels picture;
  std::mutex mutex;
  std::condition_variable changed;
  int detected = 0;
  Setup setup;
  setup.detect = [&](int frame, Memory& m) {
    detect_people(m, frame, 3);
    std::lock_guard lock(mutex);
    ++detected;
    changed.notify_all();
  };
  setup.pose = [&](Memory&) {
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, 10s, [&] { return detected >= 2; }));
  };
  auto pipeline = make_pipeline(setup);
  submit(*pipeline, picture, 0, 0);
  submit(*pipeline, picture, 0, 1);
  for (int i = 0; i < 2; ++i) {
    CHECK(next(*pipeline).people.ids.size() == 3);
    pipeline->release();
  }
}

void test_a_failing_network_fails_its_frame_only() {
  const Pixels picture;
  for (const bool in_pose : {false, true}) {
    Setup setup;
    setup.detect = [in_pose](int frame, Memory& m) {
      if (!in_pose && frame == 1) throw std::runtime_error("detector");
      detect_people(m, frame, 2);
    };
    setup.pose = [in_pose, frame = 0](Memory&) mutable {
      if (in_pose && frame++ == 1) throw std::runtime_error("pose");
    };
    auto pipeline = make_pipeline(setup);
    for (int i = 0; i < 4; ++i) {
      submit(*pipeline, picture, 0, i);
      CHECK((next(*pipeline).error != nullptr) == (i == 1));
      pipeline->release();
    }
  }
}

void test_streams_have_their_own_tracks() {
  const Pixels picture;
  auto pipeline = make_pipeline({});
  for (int i = 0; i < 6; ++i) {
    submit(*pipeline, picture, i % 3, i);
    const auto& ids = next(*pipeline).people.ids;
    CHECK(ids.size() == 5 && ids.front() == 1 && ids.back() == 5);
    pipeline->release();
  }
}

void test_without_tracker_and_pose() {
  const Pixels picture;
  Setup setup;
  setup.tracked = setup.with_pose = false;
  auto pipeline = make_pipeline(setup);
  submit(*pipeline, picture, 0, 0);
  const People& people = next(*pipeline).people;
  CHECK(people.size() == 5 && people.ids.front() == -1 && people.keypoints.empty());
  CHECK(people.joints == 0);
}

void test_destruction_with_frames_in_flight() {
  const Pixels picture;
  for (int i = 0; i < 20; ++i) {
    auto pipeline = make_pipeline({});
    submit(*pipeline, picture, 0, 0);
    submit(*pipeline, picture, 0, 1);
  }
}

}  // namespace

int main() {
  for (const int threads : {1, 3}) {
    set_num_threads(threads);
    test_nothing_is_allocated_once_warm();
    test_results_come_in_order_with_lanes_in_flight();
    test_detection_goes_on_while_the_pose_network_works();
    test_a_failing_network_fails_its_frame_only();
    test_streams_have_their_own_tracks();
    test_without_tracker_and_pose();
    test_destruction_with_frames_in_flight();
  }
}
