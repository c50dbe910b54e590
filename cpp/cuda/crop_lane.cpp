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
      borders_(stream.device()),
      done_(stream.device(), Event::Timing::kOff) {}

void CropLane::begin(const FrameView& frame, std::span<const Box> boxes, bool timed) {
  const int size = network_.batch_for(static_cast<int>(boxes.size()));
  auto* target = static_cast<Box*>(boxes_.data());
  std::copy(boxes.begin(), boxes.end(), target);
  // The rest of the batch is computed and never looked at: any box will do.
  std::fill(target + boxes.size(), target + size, boxes.back());

  const Kernels::Crops wanted =
      kernels_.crops(frame, reinterpret_cast<const Box*>(boxes_.address()), size, kind_, padding_,
                     normalization_, network_.input());
  work_of({size, timed}).run(wanted);
  done_.record(stream_);
}

Replay<Kernels::Crops>& CropLane::work_of(Key key) {
  const auto found = works_.find(key);
  if (found != works_.end()) return found->second;
  auto work = [this, key](Capture* capture) { enqueue(key, capture); };
  return works_.try_emplace(key, stream_, work, graphs_).first->second;
}

void CropLane::enqueue(Key key, Capture* capture) {
  const auto [size, timed] = key;
  if (timed) borders_.mark(0, stream_, capture);
  works_.at(key).enqueue(stream_, capture);
  if (timed) borders_.mark(1, stream_, capture);
  network_.enqueue(size);
  if (timed) borders_.mark(2, stream_, capture);
  read_out_(network_, size);
  if (timed) borders_.mark(3, stream_, capture);
}

CropLane::Times CropLane::times() const {
  return {borders_.ms(0), borders_.ms(1), borders_.ms(2)};
}

std::string CropLane::why_not_recorded() const {
  for (const auto& [key, work] : works_) {
    if (!work.why_not().empty()) return work.why_not();
  }
  return {};
}

}  // namespace edgert::cuda
