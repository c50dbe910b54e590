// edgert's own kernels on one device, with typed arguments: what cpu/ does as loops, as grids over
// the same kernels/*.h. Everything is enqueued, nothing waits.
#pragma once

#include <filesystem>
#include <memory>
#include <tuple>

#include "cuda/device.hpp"
#include "cuda/graph.hpp"
#include "cuda/module.hpp"
#include "cuda/stream.hpp"
#include "stages/affine.hpp"
#include "stages/detect.hpp"
#include "stages/frame.hpp"
#include "stages/pose.hpp"
#include "tensor.hpp"

namespace edgert::cuda {

// A launch that is ready: to be enqueued, or to take the place of an earlier one in a graph.
template <typename... Arguments>
class Prepared {
 public:
  Prepared(Function function, const Launch& shape, const Arguments&... arguments)
      : function_(function), shape_(shape), arguments_(arguments...) {}

  void enqueue(StreamView stream) const {
    std::apply([&](const auto&... a) { function_.launch(shape_, stream, a...); }, arguments_);
  }
  void update(Graph& graph, KernelNode node) const {
    std::apply([&](const auto&... a) { graph.set_arguments(node, function_, shape_, a...); },
               arguments_);
  }
  // Whether update() may put this in the place of `other`: same kernel, same shape.
  bool replaces(const Prepared& other) const {
    return function_.handle() == other.function_.handle() && shape_ == other.shape_;
  }

 private:
  Function function_;
  Launch shape_;
  std::tuple<Arguments...> arguments_;
};

// How a person's box becomes a region of the network's input.
enum class CropKind { kGrow, kStretch };  // stages/crop.hpp: crop(), stretch()

// ---- what the kernels write

// One detection, as decode_boxes() leaves it in memory that the host reads. Network pixels. The
// joints of a one-stage model follow all detections: (max_detections, joints, 3) floats.
struct DetectedBox {
  Box box;
  float score;
  std::int32_t class_id;
  std::int32_t anchor;
  std::int32_t unused;
};

struct DetectedBoxes {
  std::int32_t count;
  std::int32_t dropped_rows;
  std::int32_t unused[2];
  // DetectedBox[max_detections], then float[max_detections][joints][3]
};

// Network pixels; `finite` is 0 where the heatmap was dropped, then x, y are the crop's centre and
// the score is 0.
struct Joint {
  float x, y, score;
  std::int32_t finite;
};

class Kernels {
 public:
  // `folder` holds edgert.sm_<cc>.cubin files and edgert.compute_<cc>.ptx. throws UnavailableError
  // where none of them runs on the device.
  Kernels(std::shared_ptr<Device> device, const std::filesystem::path& folder);

  // Fills item 0 of `input` (1, 3, H, W): the letterbox.
  using Letterbox = Prepared<FrameView, Warp, Normalization, void*, int, int>;
  Letterbox letterbox(const FrameView& frame, const Warp& warp, const Normalization& normalization,
                      const TensorView& input) const;

  // Fills the first `count` items of `input` with the people in `boxes`: Box[count], frame pixels,
  // in memory that the device reads.
  using Crops = Prepared<FrameView, const Box*, int, double, Normalization, void*, int, int>;
  Crops crops(const FrameView& frame, const Box* boxes, int count, CropKind kind, double padding,
              const Normalization& normalization, const TensorView& input) const;

  // Bytes of scratch memory that decode_boxes() needs, and of its result.
  static std::size_t decode_scratch_bytes(int anchors, int max_detections);
  static std::size_t decode_result_bytes(int max_detections, int joints);
  // `wanted_classes`: one flag a class, null: all. `result`: DetectedBoxes and what follows it.
  void decode_boxes(StreamView stream, const TensorView& output, int classes,
                    const BoxFilter& filter, const std::uint8_t* wanted_classes, void* scratch,
                    DetectedBoxes* result) const;

  // The first `people` items of (N, joints, h, w) to Joint[people][joints].
  void decode_heatmaps(StreamView stream, const TensorView& heatmaps, const TensorView* offsets,
                       const HeatmapLayout& layout, int people, Joint* joints) const;

  // 1 - cosine of the angle between every row of a (rows_a, width) and of b (rows_b, width), to
  // `distances` (rows_a, rows_b); 1 where a row has no length.
  void cosine_distances(StreamView stream, const float* a, int rows_a, const float* b, int rows_b,
                        int width, float* distances) const;

  const std::string& image() const { return image_; }  // the file that was loaded

 private:
  std::shared_ptr<Device> device_;
  std::string image_;
  std::unique_ptr<Module> module_;
};

}  // namespace edgert::cuda
