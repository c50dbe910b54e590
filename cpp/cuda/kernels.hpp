// edgert's own kernels on one device, with typed arguments: what cpu/ does as loops, as grids over
// the same kernels/*.h. Everything is enqueued, nothing waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>

#include "crop.h"
#include "cuda/device.hpp"
#include "cuda/graph.hpp"
#include "cuda/module.hpp"
#include "cuda/stream.hpp"
#include "frame.h"
#include "stages/detect.hpp"
#include "stages/pose.hpp"
#include "tensor.hpp"

namespace edgert::cuda {

// A launch that is ready: to be enqueued, or to take the place of an earlier one in a graph.
template <typename... Arguments>
class Prepared {
 public:
  Prepared(Function function, const Launch& shape, const Arguments&... arguments)
      : function_(function), shape_(shape), arguments_(arguments...) {}

  // Nothing where there is nothing to do.
  void enqueue(StreamView stream) const {
    if (shape_.grid.z == 0) return;
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
  using Crops = Prepared<FrameView, const Box*, CropShape, Normalization, void*>;
  Crops crops(const FrameView& frame, const Box* boxes, int count, CropKind kind, double padding,
              const Normalization& normalization, const TensorView& input) const;

  // Bytes of scratch memory that decode_boxes() needs, zeros before the first call and its own from
  // then on, and of its result.
  static std::size_t decode_scratch_bytes(int anchors, int max_detections);
  static std::size_t decode_result_bytes(int max_detections, int joints);
  // `wanted_classes`: one flag a class, null: all (filter's own are on the host and not read).
  // `result`: DetectedBoxes and what follows it.
  void decode_boxes(StreamView stream, const TensorView& output, int classes,
                    const BoxFilter& filter, const std::uint8_t* wanted_classes, void* scratch,
                    DetectedBoxes* result) const;

  // The first `people` items of (N, joints, h, w) to Joint[people][joints] of keypoints.h.
  void decode_heatmaps(StreamView stream, const TensorView& heatmaps, const TensorView* offsets,
                       const HeatmapLayout& layout, int people, Joint* joints) const;

  // 1 - cosine of the angle between every row of a (rows_a, width) and of b (rows_b, width), to
  // `distances` (rows_a, rows_b); 1 where a row has no length. Squares must stay floats: normalise
  // rows whose values do not.
  void cosine_distances(StreamView stream, const float* a, int rows_a, const float* b, int rows_b,
                        int width, float* distances) const;

  const std::string& image() const { return image_; }  // the file that was loaded

 private:
  static constexpr std::size_t kFormats = 4, kTypes = 3;  // bgr24, bgr8, nv12, yuyv; DType's

  // The launch of a warp over `items` regions of (3, height, width).
  Launch warp_shape(int width, int height, int items) const;

  std::shared_ptr<Device> device_;
  std::string image_;
  std::unique_ptr<Module> module_;
  std::array<std::array<Function, kTypes>, kFormats> letterbox_, crops_;
  std::array<Function, 2> select_, suppress_, joints_;  // of floats, of halves
  Function cosine_;
};

}  // namespace edgert::cuda
