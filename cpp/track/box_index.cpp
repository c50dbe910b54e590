#include "track/box_index.hpp"

#include <cstddef>
#include <cstring>

#include "simd.hpp"

namespace edgert::track {
namespace {

constexpr std::size_t kOneStrip = 48;       // up to here a full scan is cheaper than sorting
constexpr std::size_t kBoxesPerStrip = 4;   // at even spread
constexpr double kRoundingRoom = 1 - 1e-9;  // of a gate
constexpr double kPixelRoom = 1e-6;         // px; coordinates up to 1e7 are exact to 2e-9

// Eight boxes at a time, in however many registers the instruction set needs for them.
constexpr std::size_t kLanes = 8;
using Lanes = double __attribute__((vector_size(kLanes * sizeof(double))));
using Marks = std::int8_t __attribute__((vector_size(kLanes)));

struct Columns {
  const double *x1, *y1, *x2, *y2, *area, *gate;
};

// Writes a byte for each of `blocks` times eight boxes: not 0 where the overlap passes the gate.
EDGERT_MULTIVERSION
void mark_overlaps(const Columns& columns, std::size_t blocks, const Box& row, double row_area,
                   std::uint64_t* marks) {
  const Lanes zero = {};
  const Lanes left = zero + row.x1, top = zero + row.y1, right = zero + row.x2,
              bottom = zero + row.y2, own = zero + row_area;
  for (std::size_t block = 0; block < blocks; ++block) {
    Lanes x1, y1, x2, y2, area, gate;
    const std::size_t j = block * kLanes;
    std::memcpy(&x1, columns.x1 + j, sizeof x1);
    std::memcpy(&y1, columns.y1 + j, sizeof y1);
    std::memcpy(&x2, columns.x2 + j, sizeof x2);
    std::memcpy(&y2, columns.y2 + j, sizeof y2);
    std::memcpy(&area, columns.area + j, sizeof area);
    std::memcpy(&gate, columns.gate + j, sizeof gate);
    Lanes width = (x2 < right ? x2 : right) - (x1 > left ? x1 : left) + 1;
    Lanes height = (y2 < bottom ? y2 : bottom) - (y1 > top ? y1 : top) + 1;
    width = width > zero ? width : zero;
    height = height > zero ? height : zero;
    const Lanes shared = width * height;
    const Marks passed = __builtin_convertvector(shared > gate * (area + own - shared), Marks);
    std::memcpy(marks + block, &passed, sizeof passed);
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
  least_gate_ = items_[0].gate;
  for (const Item& item : items_) {
    left_ = std::min(left_, item.box.x1);
    right = std::max(right, item.box.x1);
    widest_ = std::max(widest_, item.box.x2 - item.box.x1 + 1);
    least_gate_ = std::min(least_gate_, item.gate);
  }
  slack_ = (1 - least_gate_) / least_gate_;
  last_strip_ = static_cast<double>(strips - 1);
  strips_per_pixel_ = right > left_ ? static_cast<double>(strips) / (right - left_) : 0;

  // Counting sort: starts_[s + 1] counts strip s, then becomes the place for its next box.
  strip_of_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    strip_of_[i] = static_cast<std::uint32_t>(strip(items_[i].box.x1));
    ++starts_[strip_of_[i] + 1];
  }
  for (std::size_t s = 1; s <= strips; ++s) starts_[s] += starts_[s - 1];
  // The last block is filled up with boxes too large to overlap enough with anything.
  for (auto* column : {&x1_, &y1_, &x2_, &y2_}) column->assign(count + kLanes, 0);
  area_.assign(count + kLanes, 1e300);
  gate_.assign(count + kLanes, 1);
  order_.resize(count);
  marks_.resize(count / kLanes + 1);
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

// A box that starts d left of the row must be d wider to have an IoU over g, so at best it covers
// the row's length l and has the IoU l / (l + d): d < l (1 - g) / g. One wide box then costs only
// the wide.
BoxIndex::Marked BoxIndex::mark(const Box& row, double area) {
  const double length = row.x2 - row.x1 + 1;  // not over 0 where a height was predicted below 0
  const double reach = std::min(widest_, length * slack_) + kPixelRoom;
  const std::size_t begin = starts_[strip(row.x1 - reach)];
  const std::size_t end = std::max(begin, std::size_t{starts_[strip(row.x2 + 1) + 1]});
  const std::size_t blocks = (end - begin + kLanes - 1) / kLanes;
  const Columns columns{&x1_[begin], &y1_[begin],   &x2_[begin],
                        &y2_[begin], &area_[begin], &gate_[begin]};
  mark_overlaps(columns, blocks, row, area, marks_.data());
  return {begin, blocks};
}

}  // namespace edgert::track
