#include "cuda/kernels.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <vector>

#include "cuda/cuda_error.hpp"
#include "decode.h"

namespace edgert::cuda {
namespace {

unsigned ceil_div(unsigned value, unsigned by) {
  return (value + by - 1) / by;
}

struct Image {
  std::filesystem::path path;
  int compute_capability = 0;
};

// "edgert.sm_87.cubin" -> 87; 0 where the name is another.
int capability_in(const std::string& name, const std::string& prefix, const std::string& suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return 0;
  int number = 0;
  const char* const end = name.data() + name.size() - suffix.size();
  const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, number);
  return error == std::errc() && stop == end ? number : 0;
}

// A cubin runs on its own compute capability and on higher minor ones; PTX on all higher ones.
Image choose(const std::filesystem::path& folder, int compute_capability) {
  Image cubin, ptx;
  std::string found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const int binary = capability_in(name, "edgert.sm_", ".cubin");
    const int text = capability_in(name, "edgert.compute_", ".ptx");
    if (binary + text != 0) found += (found.empty() ? "" : ", ") + name;
    if (binary / 10 == compute_capability / 10 && binary <= compute_capability &&
        binary > cubin.compute_capability)
      cubin = {entry.path(), binary};
    if (text <= compute_capability && text > ptx.compute_capability) ptx = {entry.path(), text};
  }
  if (cubin.compute_capability != 0) return cubin;
  if (ptx.compute_capability != 0) return ptx;
  if (found.empty()) {
    throw UnavailableError("this build carries no kernels (none in " + folder.string() +
                           "); build it where the package nvidia-cuda-nvrtc-cu12 is installed");
  }
  throw UnavailableError("no kernels for compute capability " +
                         std::to_string(compute_capability / 10) + "." +
                         std::to_string(compute_capability % 10) + "; this build has " + found);
}

std::vector<char> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> content(std::istreambuf_iterator<char>(file), {});
  if (!file.good() && !file.eof()) throw UnavailableError("cannot read " + path.string());
  content.push_back('\0');  // PTX must end in one
  return content;
}

std::size_t format_index(const FrameView& frame) {
  if (frame.color()) return frame.in_words() ? 0 : 1;
  return frame.format == PixelFormat::kNv12 ? 2 : 3;
}

std::size_t half_index(DType dtype) {
  return dtype == DType::kFloat16 ? 1 : 0;
}

// Parts of one block of memory, each aligned for any type that kernels use.
class Parts {
 public:
  explicit Parts(void* memory) : memory_(static_cast<char*>(memory)) {}

  template <typename T>
  T* take(std::size_t count) {
    T* const part = reinterpret_cast<T*>(memory_ + bytes_);
    bytes_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return part;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kAlignment = 256;
  char* memory_;
  std::size_t bytes_ = 0;
};

DecodeScratch carve(Parts& parts, int anchors, int max_detections) {
  const auto count = static_cast<std::size_t>(anchors);
  std::size_t power = 1;
  while (power < count) power *= 2;
  DecodeScratch scratch{};
  scratch.progress = parts.take<Progress>(1);
  scratch.overlaps_done = parts.take<int>(1);
  scratch.total = parts.take<Selection>(1);
  scratch.keys = parts.take<unsigned long long>(power);
  scratch.boxes = parts.take<DetectedBox>(count);
  scratch.arrived = parts.take<DetectedBox>(kFew);
  scratch.window = parts.take<DetectedBox>(kWindow);
  scratch.overlaps = parts.take<unsigned>(std::size_t{kWindow} * kWindowWords);
  scratch.kept = parts.take<DetectedBox>(std::min(count, static_cast<std::size_t>(max_detections)));
  return scratch;
}

}  // namespace

Kernels::Kernels(std::shared_ptr<Device> device, const std::filesystem::path& folder)
    : device_(std::move(device)) {
  const Image image = choose(folder, device_->compute_capability());
  image_ = image.path.filename().string();
  const std::vector<char> content = read(image.path);
  module_ = std::make_unique<Module>(device_, content.data(), image.path.string());
  constexpr const char* kLetterbox[kFormats][kTypes] = {
      {"letterbox_bgr24_f32", "letterbox_bgr24_f16", "letterbox_bgr24_s8"},
      {"letterbox_bgr8_f32", "letterbox_bgr8_f16", "letterbox_bgr8_s8"},
      {"letterbox_nv12_f32", "letterbox_nv12_f16", "letterbox_nv12_s8"},
      {"letterbox_yuyv_f32", "letterbox_yuyv_f16", "letterbox_yuyv_s8"}};
  constexpr const char* kCrops[kFormats][kTypes] = {
      {"crops_bgr24_f32", "crops_bgr24_f16", "crops_bgr24_s8"},
      {"crops_bgr8_f32", "crops_bgr8_f16", "crops_bgr8_s8"},
      {"crops_nv12_f32", "crops_nv12_f16", "crops_nv12_s8"},
      {"crops_yuyv_f32", "crops_yuyv_f16", "crops_yuyv_s8"}};
  for (std::size_t format = 0; format < kFormats; ++format) {
    for (std::size_t type = 0; type < kTypes; ++type) {
      letterbox_[format][type] = module_->function(kLetterbox[format][type]);
      crops_[format][type] = module_->function(kCrops[format][type]);
    }
  }
  select_ = {module_->function("select_f32"), module_->function("select_f16")};
  suppress_ = {module_->function("suppress_f32"), module_->function("suppress_f16")};
  joints_ = {module_->function("joints_f32"), module_->function("joints_f16")};
  cosine_ = module_->function("cosine_f32");
}

// As many rows a thread as let all blocks run at once: what a thread finds out about its columns,
// and a block about its box, is then found out least often.
Launch Kernels::warp_shape(int width, int height, int items) const {
  const auto rows = static_cast<unsigned>(height), regions = static_cast<unsigned>(items);
  const unsigned columns = ceil_div(static_cast<unsigned>(width), kWarpPixels);
  const unsigned at_once =
      static_cast<unsigned>(device_->multiprocessors()) * kWarpBlocks * kWarpRows;
  const unsigned rows_each =
      std::clamp(ceil_div(columns * rows * regions, at_once), 1u, unsigned{kWarpMaxRows});
  return {{columns, ceil_div(rows, kWarpRows * rows_each), regions}, {kWarpSize, kWarpRows}};
}

Kernels::Letterbox Kernels::letterbox(const FrameView& frame, const Warp& warp,
                                      const Normalization& normalization,
                                      const TensorView& input) const {
  const auto height = static_cast<int>(input.shape[2]), width = static_cast<int>(input.shape[3]);
  const auto& functions = letterbox_[format_index(frame)];
  return {functions[static_cast<std::size_t>(input.dtype)],
          warp_shape(width, height, 1),
          frame,
          warp,
          normalization,
          input.data,
          width,
          height};
}

Kernels::Crops Kernels::crops(const FrameView& frame, const Box* boxes, int count, CropKind kind,
                              double padding, const Normalization& normalization,
                              const TensorView& input) const {
  const CropShape shape{kind, padding, static_cast<int>(input.shape[3]),
                        static_cast<int>(input.shape[2])};
  const auto& functions = crops_[format_index(frame)];
  return {functions[static_cast<std::size_t>(input.dtype)],
          warp_shape(shape.width, shape.height, count),
          frame,
          boxes,
          shape,
          normalization,
          input.data};
}

std::size_t Kernels::decode_scratch_bytes(int anchors, int max_detections) {
  Parts parts(nullptr);
  carve(parts, anchors, max_detections);
  return parts.bytes();
}

std::size_t Kernels::decode_result_bytes(int max_detections, int joints) {
  const std::size_t per_box =
      sizeof(DetectedBox) + 3 * sizeof(float) * static_cast<std::size_t>(joints);
  return sizeof(DetectedBoxes) + static_cast<std::size_t>(max_detections) * per_box;
}

void Kernels::decode_boxes(StreamView stream, const TensorView& output, int classes,
                           const BoxFilter& filter, const std::uint8_t* wanted_classes,
                           void* scratch, DetectedBoxes* result) const {
  const auto rows = static_cast<int>(output.shape[1]), anchors = static_cast<int>(output.shape[2]);
  const DetectorOutput head{output.data, classes, (rows - 4 - classes) / 3, anchors};
  const DecodeOptions options{filter.score_threshold, filter.nms_threshold, filter.max_detections,
                              wanted_classes};
  Parts parts(scratch);
  const DecodeScratch memory = carve(parts, anchors, filter.max_detections);
  const std::size_t type = half_index(output.dtype);
  const Launch each_anchor{{ceil_div(static_cast<unsigned>(anchors), kSelectAnchors)},
                           {kSelectAnchors, kSelectSlices}};
  select_[type].launch(each_anchor, stream, head, options, memory, result);
  suppress_[type].launch({{kWindowWords, kWindow / kOverlapRows}, {kSuppressThreads}}, stream, head,
                         options, memory, result);
}

void Kernels::decode_heatmaps(StreamView stream, const TensorView& heatmaps,
                              const TensorView* offsets, const HeatmapLayout& layout, int people,
                              Joint* joints) const {
  const HeatmapInput input{heatmaps.data,
                           offsets == nullptr ? nullptr : offsets->data,
                           offsets != nullptr && offsets->dtype == DType::kFloat16,
                           static_cast<int>(heatmaps.shape[1]),
                           static_cast<int>(heatmaps.shape[2]),
                           static_cast<int>(heatmaps.shape[3])};
  const auto maps = static_cast<unsigned>(people * input.joints);
  if (maps == 0) return;
  joints_[half_index(heatmaps.dtype)].launch({{maps}, {kJointThreads}}, stream, input, layout,
                                             gaussian(layout.blur_kernel), joints);
}

void Kernels::cosine_distances(StreamView stream, const float* a, int rows_a, const float* b,
                               int rows_b, int width, float* distances) const {
  if (rows_a == 0 || rows_b == 0) return;
  const Launch shape{{static_cast<unsigned>(rows_a),
                      ceil_div(static_cast<unsigned>(rows_b), kCosineColumns * kCosineWarps)},
                     {32, kCosineWarps}};
  cosine_.launch(shape, stream, a, b, rows_b, width, distances);
}

}  // namespace edgert::cuda
