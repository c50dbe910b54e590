#include "cuda/crop_lane.hpp"

#include <algorithm>

namespace edgert::cuda {

CropLane::CropLane(const Kernels& kernels, const Stream& stream, const Network& network,
                   const Normalization& normalization, CropKind kind, double padding,
                   ReadOut read_out, bool graphs)
    : kernels_(kernels),
      stream_(stream),
      normalization_(normalization),
      kind_(kind),
      padding_(padding),
      read_out_(std::move(read_out)),
      graphs_(graphs),
      network_(stream.device(), stream, network),
      boxes_(stream.device(), static_cast<std::size_t>(network_.max_batch()) * sizeof(Box)),
      begun_(stream.device(), Event::Timing::kOn),
      cropped_(stream.device(), Event::Timing::kOn),
      run_(stream.device(), Event::Timing::kOn),
      read_(stream.device(), Event::Timing::kOn),
      done_(stream.device(), Event::Timing::kOff) {}

void CropLane::begin(const FrameView& frame, std::span<const Box> boxes) {
  const int size = network_.batch_for(static_cast<int>(boxes.size()));
  auto* target = static_cast<Box*>(boxes_.data());
  std::copy(boxes.begin(), boxes.end(), target);
  // The rest of the batch is computed and never looked at: any box will do.
  std::fill(target + boxes.size(), target + size, boxes.back());

  Batch& work = batch(size);
  const Kernels::Crops wanted =
      kernels_.crops(frame, reinterpret_cast<const Box*>(boxes_.address()), size, kind_, padding_,
                     normalization_, network_.input());
  Recording& recording = work.recording;
  if (recording.recorded() && !(work.crops && wanted.replaces(*work.crops))) recording.forget();
  work.crops.emplace(wanted);
  if (recording.recorded()) work.crops->update(recording.graph(), work.crops_node);
  recording.run();
  done_.record(stream_);
}

CropLane::Batch& CropLane::batch(int size) {
  const auto found = batches_.find(size);
  if (found != batches_.end()) return found->second;
  auto work = [this, size](Capture* capture) { enqueue(size, capture); };
  return batches_.emplace(size, Batch{Recording(stream_, work, graphs_), {}, {}}).first->second;
}

void CropLane::enqueue(int size, Capture* capture) {
  Batch& work = batches_.at(size);
  mark(begun_, stream_, capture);
  work.crops->enqueue(stream_);
  if (capture != nullptr) work.crops_node = capture->last_kernel();
  mark(cropped_, stream_, capture);
  network_.enqueue(size);
  mark(run_, stream_, capture);
  read_out_(network_, size);
  mark(read_, stream_, capture);
}

CropLane::Times CropLane::end() {
  wait_.until(done_);
  return {cropped_.ms_since(begun_), run_.ms_since(cropped_), read_.ms_since(run_)};
}

std::string CropLane::why_not_recorded() const {
  for (const auto& [size, batch] : batches_) {
    if (!batch.recording.why_not().empty()) return batch.recording.why_not();
  }
  return {};
}

}  // namespace edgert::cuda
