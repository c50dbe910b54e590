#include "cuda/cuda_backend.hpp"

#include <algorithm>
#include <exception>
#include <thread>

#include "error.hpp"
#include "half.h"
#include "scratch.hpp"
#include "stages/crop.hpp"

namespace edgert::cuda {
namespace {

std::size_t bytes_per_item(const TensorView& tensor) {
  return static_cast<std::size_t>(tensor.elements_per_item()) * size_bytes(tensor.dtype);
}

std::span<const Box> next_batch(std::span<const Box> boxes, std::size_t first, int batch) {
  return boxes.subspan(first, std::min(static_cast<std::size_t>(batch), boxes.size() - first));
}

}  // namespace

CudaBackend::Slot::Slot(const std::shared_ptr<Device>& device)
    : upload(device), begun(device, Event::Timing::kOn), done(device, Event::Timing::kOn) {}

CudaBackend::Lane::Lane(const Kernels& kernels, std::shared_ptr<Device> device,
                        const Networks& networks, bool graphs)
    : stream(device), detection(kernels, stream, networks.detector, networks.detector_leg, graphs) {
  if (networks.reid) {
    const TensorView& output = networks.reid->outputs[0];
    features = HostBuffer(
        device, bytes_per_item(output) * static_cast<std::size_t>(networks.reid->batches.back()));
    const auto read_out = [this](const BoundNetwork& network, int batch) {
      const TensorView& rows = network.outputs()[0];
      copy_to_host(features.data(), reinterpret_cast<DevicePointer>(rows.data),
                   bytes_per_item(rows) * static_cast<std::size_t>(batch), stream);
    };
    reid.emplace(kernels, stream, *networks.reid, networks.reid_leg.normalization,
                 CropKind::kStretch, networks.reid_leg.padding, read_out, graphs);
  }
  if (networks.pose) {
    const TensorView& heatmaps = networks.pose->outputs[0];
    const std::size_t most = static_cast<std::size_t>(networks.pose->batches.back()) *
                             static_cast<std::size_t>(heatmaps.shape[1]);
    joints = HostBuffer(device, most * sizeof(Joint));
    const auto read_out = [this, &kernels, &leg = networks.pose_leg](const BoundNetwork& network,
                                                                     int batch) {
      const TensorView* offsets = network.outputs().size() > 1 ? &network.outputs()[1] : nullptr;
      kernels.decode_heatmaps(stream, network.outputs()[0], offsets, leg.layout, batch,
                              reinterpret_cast<Joint*>(joints.address()));
    };
    pose.emplace(kernels, stream, *networks.pose, networks.pose_leg.normalization, CropKind::kGrow,
                 networks.pose_leg.padding, read_out, graphs);
  }
}

CudaBackend::CudaBackend(std::shared_ptr<const Kernels> kernels, std::shared_ptr<Device> device,
                         Networks networks, std::size_t lanes, bool graphs)
    : device_(std::move(device)),
      kernels_(std::move(kernels)),
      networks_(std::move(networks)),
      uploads_(device_) {
  device_->make_current();
  for (std::size_t i = 0; i < lanes + 1; ++i) slots_.push_back(std::make_unique<Slot>(device_));
  // Side by side: a runtime takes seconds to find its kernels for each size of batch.
  lanes_.resize(lanes);
  std::vector<std::exception_ptr> errors(lanes);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lanes; ++i) {
    threads.emplace_back([&, i] {
      try {
        device_->make_current();
        lanes_[i] = std::make_unique<Lane>(*kernels_, device_, networks_, graphs);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

CudaBackend::~CudaBackend() {
  const auto finish = [](StreamView stream) {
    try {
      stream.synchronize();
    } catch (const edgert::Error&) {
      // A device that was lost has been reported by the frame that met it.
    }
  };
  finish(uploads_);
  for (const auto& lane : lanes_) finish(lane->stream);
}

void CudaBackend::take_in(std::size_t index, const Picture& picture) {
  device_->make_current();
  Slot& slot = *slots_[index];
  // Of a frame that was taken in and not submitted, the copy may still be under way.
  if (slot.copied) slot.done.synchronize();
  slot.copied = !picture.on_device;
  if (slot.copied) slot.begun.record(uploads_);
  slot.frame = slot.upload.to_device(picture, uploads_);
  slot.done.record(uploads_);
}

void CudaBackend::begin_detection(std::size_t index, std::size_t slot) {
  device_->make_current();
  Lane& lane = *lanes_[index];
  lane.slot = slots_[slot].get();
  lane.host = Stopwatch();
  lane.timed = lane.frames++ % kTimedFrames == 0;
  lane.host.time([&] {
    lane.stream.view().wait(lane.slot->done);
    lane.detection.begin(lane.slot->frame, lane.timed);
  });
}

void CudaBackend::end_detection(std::size_t index, Detections& detections) {
  device_->make_current();
  Lane& lane = *lanes_[index];
  lane.detection.wait();
  lane.host.time([&] { lane.detection.read(detections); });
  if (lane.pose) return;
  add_detection_times(lane);
  times().add(Stage::kHost, lane.host.total());
}

std::span<const float> CudaBackend::embed(std::size_t index, std::span<const Box> boxes) {
  device_->make_current();
  Lane& lane = *lanes_[index];
  const TensorView& output = networks_.reid->outputs[0];
  const std::size_t width = feature_width();
  float* row = reserve(features_, boxes.size() * width);
  for (std::size_t first = 0; first < boxes.size();) {
    const std::span<const Box> part = next_batch(boxes, first, lane.reid->max_batch());
    lane.reid->begin(lane.slot->frame, part, false);
    lane.reid->wait();
    const std::size_t count = part.size() * width;
    if (output.dtype == DType::kFloat32) {
      std::copy_n(static_cast<const float*>(lane.features.data()), count, row);
    } else {
      std::transform(static_cast<const std::uint16_t*>(lane.features.data()),
                     static_cast<const std::uint16_t*>(lane.features.data()) + count, row,
                     from_half);
    }
    row += count;
    first += part.size();
  }
  return {features_.data(), boxes.size() * width};
}

void CudaBackend::begin_poses(std::size_t index, std::span<const Box> boxes) {
  device_->make_current();
  Lane& lane = *lanes_[index];
  lane.people = boxes;
  if (!boxes.empty()) {
    lane.host.time([&] {
      lane.pose->begin(lane.slot->frame, next_batch(boxes, 0, lane.pose->max_batch()), lane.timed);
    });
  }
  add_detection_times(lane);  // while the device is at work
}

void CudaBackend::add_detection_times(Lane& lane) {
  lane.host.time([&] {
    if (lane.timed) lane.detection.add_times(times());
    const Slot& slot = *lane.slot;
    if (slot.copied) times().add_ms(Stage::kUpload, slot.done.ms_since(slot.begun));
  });
}

std::size_t CudaBackend::end_poses(std::size_t index, Poses poses) {
  device_->make_current();
  Lane& lane = *lanes_[index];
  const auto joints = static_cast<std::size_t>(pose_joints());
  std::size_t dropped = 0;
  CropLane::Times total;
  for (std::size_t first = 0; first < lane.people.size();) {
    const std::span<const Box> part = next_batch(lane.people, first, lane.pose->max_batch());
    if (first > 0) lane.host.time([&] { lane.pose->begin(lane.slot->frame, part, lane.timed); });
    lane.pose->wait();
    lane.host.time([&] {
      const CropLane::Times part_times = lane.timed ? lane.pose->times() : CropLane::Times{};
      total.crop_ms += part_times.crop_ms;
      total.network_ms += part_times.network_ms;
      total.read_out_ms += part_times.read_out_ms;
      read_joints(lane, part, poses.keypoints + 2 * joints * first, poses.scores + joints * first,
                  dropped);
    });
    first += part.size();
  }
  if (lane.timed) {
    times().add_ms(Stage::kCrop, total.crop_ms);
    times().add_ms(Stage::kPose, total.network_ms);
    times().add_ms(Stage::kKeypoints, total.read_out_ms);
  }
  times().add(Stage::kHost, lane.host.total());
  return dropped;
}

void CudaBackend::read_joints(const Lane& lane, std::span<const Box> boxes, float* keypoints,
                              float* scores, std::size_t& dropped) const {
  const TensorView& input = networks_.pose->input;
  const auto* joint = static_cast<const Joint*>(lane.joints.data());
  for (const Box& box : boxes) {
    const Affine to_frame = crop(box, static_cast<int>(input.shape[3]),
                                 static_cast<int>(input.shape[2]), networks_.pose_leg.padding)
                                .to_frame;
    for (int i = 0; i < pose_joints(); ++i, ++joint) {
      *keypoints++ = static_cast<float>(to_frame.x(joint->x));
      *keypoints++ = static_cast<float>(to_frame.y(joint->y));
      *scores++ = joint->score;
      if (joint->finite == 0) ++dropped;
    }
  }
}

int CudaBackend::pose_joints() const {
  return networks_.pose ? static_cast<int>(networks_.pose->outputs[0].shape[1]) : 0;
}

std::size_t CudaBackend::feature_width() const {
  if (!networks_.reid) return 0;
  return static_cast<std::size_t>(networks_.reid->outputs[0].elements_per_item());
}

std::string CudaBackend::why_not_recorded() const {
  for (const auto& lane : lanes_) {
    if (const auto& why = lane->detection.why_not_recorded(); !why.empty())
      return "detector: " + why;
    if (lane->reid && !lane->reid->why_not_recorded().empty())
      return "reid: " + lane->reid->why_not_recorded();
    if (lane->pose && !lane->pose->why_not_recorded().empty())
      return "pose: " + lane->pose->why_not_recorded();
  }
  return {};
}

}  // namespace edgert::cuda
