#include "cuda/detection_lane.hpp"

#include "stages/preprocess.hpp"

namespace edgert::cuda {
namespace {

// Of one picture.
std::size_t output_bytes(const BoundNetwork& network) {
  const TensorView& output = network.outputs()[0];
  return static_cast<std::size_t>(output.elements_per_item()) * size_bytes(output.dtype);
}

}  // namespace

DetectionLane::DetectionLane(const Kernels& kernels, const Stream& stream, const Network& network,
                             const DetectorLeg& leg, bool graphs)
    : kernels_(kernels),
      stream_(stream),
      leg_(leg),
      network_(stream.device(), stream, network),
      works_{{{stream, [this](Capture* capture) { enqueue(false, capture); }, graphs},
              {stream, [this](Capture* capture) { enqueue(true, capture); }, graphs}}},
      borders_(stream.device()),
      done_(stream.device(), Event::Timing::kOff) {
  const std::shared_ptr<Device>& device = stream.device();
  if (leg.end_to_end) {
    result_ = HostBuffer(device, output_bytes(network_));
    return;
  }
  const int anchors = static_cast<int>(network_.outputs()[0].shape[2]);
  const int most = leg.filter.max_detections;
  scratch_ = DeviceBuffer(device, Kernels::decode_scratch_bytes(anchors, most));
  fill_bytes(scratch_.address(), 0, scratch_.bytes(), stream);
  result_ = HostBuffer(device, Kernels::decode_result_bytes(most, leg.joints));
  const auto& wanted = leg.filter.wanted_classes;
  if (!wanted.empty()) {
    wanted_classes_ = DeviceBuffer(device, wanted.size());
    copy_to_device(wanted_classes_.address(), wanted.data(), wanted.size(), stream);
  }
  stream.view().synchronize();
}

void DetectionLane::begin(const FrameView& frame, bool timed) {
  const TensorView& input = network_.input();
  const Placement view = letterbox(frame.width, frame.height, static_cast<int>(input.shape[3]),
                                   static_cast<int>(input.shape[2]));
  to_frame_ = view.to_frame;
  const Kernels::Letterbox wanted = kernels_.letterbox(frame, view.warp, leg_.normalization, input);
  works_[timed ? 1 : 0].run(wanted);
  done_.record(stream_);
}

void DetectionLane::enqueue(bool timed, Capture* capture) {
  if (timed) borders_.mark(0, stream_, capture);
  works_[timed ? 1 : 0].enqueue(stream_, capture);
  if (timed) borders_.mark(1, stream_, capture);
  network_.enqueue(1);
  if (timed) borders_.mark(2, stream_, capture);
  if (leg_.end_to_end) {
    // A few kilobytes, and little to do with them: the host reads them.
    copy_to_host(result_.data(), reinterpret_cast<DevicePointer>(network_.outputs()[0].data),
                 result_.bytes(), stream_);
  } else {
    const auto* wanted = static_cast<const std::uint8_t*>(wanted_classes_.data());
    kernels_.decode_boxes(stream_, network_.outputs()[0], leg_.classes, leg_.filter, wanted,
                          scratch_.data(), reinterpret_cast<DetectedBoxes*>(result_.address()));
  }
  if (timed) borders_.mark(3, stream_, capture);
}

const std::string& DetectionLane::why_not_recorded() const {
  const std::string& why = works_[0].why_not();
  return why.empty() ? works_[1].why_not() : why;
}

void DetectionLane::add_times(StageTimes& times) const {
  times.add_ms(Stage::kPreprocess, borders_.ms(0));
  times.add_ms(Stage::kDetect, borders_.ms(1));
  times.add_ms(Stage::kBoxes, borders_.ms(2));
}

void DetectionLane::read(Detections& detections) {
  if (!leg_.end_to_end) return read_boxes(detections);
  TensorView output = network_.outputs()[0];
  output.data = result_.data();
  rows_.read(output, leg_.classes, leg_.filter, to_frame_, detections);
}

void DetectionLane::read_boxes(Detections& detections) const {
  const auto* header = static_cast<const DetectedBoxes*>(result_.data());
  const auto* boxes = reinterpret_cast<const DetectedBox*>(header + 1);
  const auto* joints = reinterpret_cast<const float*>(boxes + leg_.filter.max_detections);
  detections.clear();
  detections.dropped_rows = static_cast<std::size_t>(header->dropped_rows);
  const auto x = [&](float network) { return static_cast<float>(to_frame_.x(network)); };
  const auto y = [&](float network) { return static_cast<float>(to_frame_.y(network)); };
  for (int i = 0; i < header->count; ++i) {
    const DetectedBox& found = boxes[i];
    const Box& b = found.box;
    detections.boxes.push_back({x(b.x1), y(b.y1), x(b.x2), y(b.y2)});
    detections.scores.push_back(found.score);
    detections.class_ids.push_back(found.class_id);
    for (int joint = 0; joint < leg_.joints; ++joint, joints += 3) {
      detections.keypoints.push_back(x(joints[0]));
      detections.keypoints.push_back(y(joints[1]));
      detections.keypoint_scores.push_back(joints[2]);
    }
  }
}

}  // namespace edgert::cuda
