#include "track/box_index.hpp"

#include <cstddef>

#include "simd.hpp"

namespace edgert::track {
namespace {

constexpr std::size_t kOneStrip = 48;      // up to here a full scan is cheaper than sorting
constexpr std::size_t kBoxesPerStrip = 4;  // at even spread
constexpr double kRoundingRoom = 1 - 1e-9;

struct Columns {
  const double *x1, *y1, *x2, *y2, *area, *gate;
};

EDGERT_MULTIVERSION
void mark_overlaps(const Columns& columns, std::size_t count, const Box& row_box, double row_area,
                   std::uint8_t* marks) {
  const double *x1 = columns.x1, *y1 = columns.y1, *x2 = columns.x2, *y2 = columns.y2;
  const double *area = columns.area, *gate = columns.gate;
  const Box row = row_box;
  for (std::size_t j = 0; j < count; ++j) {
    double width = (x2[j] < row.x2 ? x2[j] : row.x2) - (x1[j] > row.x1 ? x1[j] : row.x1) + 1;
    double height = (y2[j] < row.y2 ? y2[j] : row.y2) - (y1[j] > row.y1 ? y1[j] : row.y1) + 1;
    width = width > 0 ? width : 0;
    height = height > 0 ? height : 0;
    const double shared = width * height;
    marks[j] = shared > gate[j] * (area[j] + row_area - shared);
  }
}

}  // namespace

std::size_t BoxIndex::strip(double x) const {
  const double strip = (x - left_) * strips_per_pixel_;
  return static_cast<std::size_t>(strip > 0 ? std::min(strip, last_strip_) : 0);
}

void BoxIndex::build() {
  const std::size_t count = items_.size();
  const std::size_t strips = count <= kOneStrip ? 1 : count / kBoxesPerStrip;
  starts_.assign(strips + 1, 0);
  if (count == 0) return;

  double right = left_ = items_[0].box.x1;
  widest_ = 0;
  for (const Item& item : items_) {
    left_ = std::min(left_, item.box.x1);
    right = std::max(right, item.box.x1);
    widest_ = std::max(widest_, item.box.x2 - item.box.x1);
  }
  last_strip_ = static_cast<double>(strips - 1);
  strips_per_pixel_ = right > left_ ? static_cast<double>(strips) / (right - left_) : 0;

  // Counting sort: starts_[s + 1] counts strip s, then becomes the place for its next box.
  strip_of_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    strip_of_[i] = static_cast<std::uint32_t>(strip(items_[i].box.x1));
    ++starts_[strip_of_[i] + 1];
  }
  for (std::size_t s = 1; s <= strips; ++s) starts_[s] += starts_[s - 1];
  for (auto* column : {&x1_, &y1_, &x2_, &y2_, &area_, &gate_}) column->resize(count);
  order_.resize(count);
  marks_.resize(count + 8);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [box, gate] = items_[i];
    const std::size_t j = starts_[strip_of_[i]]++;
    x1_[j] = box.x1;
    y1_[j] = box.y1;
    x2_[j] = box.x2;
    y2_[j] = box.y2;
    area_[j] = box.area();
    gate_[j] = gate * kRoundingRoom;
    order_[j] = static_cast<std::int32_t>(i);
  }
  for (std::size_t s = strips; s > 0; --s) starts_[s] = starts_[s - 1];
  starts_[0] = 0;
}

void BoxIndex::mark(const Box& row, double area, std::size_t begin, std::size_t end) {
  const Columns columns{&x1_[begin], &y1_[begin],   &x2_[begin],
                        &y2_[begin], &area_[begin], &gate_[begin]};
  std::memset(&marks_[end - begin], 0, 8);
  mark_overlaps(columns, end - begin, row, area, marks_.data());
}

}  // namespace edgert::track
