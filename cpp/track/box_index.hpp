// Finds which of many boxes overlap a given one enough to matter, without looking at all of them.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "track/box.hpp"

namespace edgert::track {

// Boxes sorted into strips by their left side, in columns. A query looks at the strips that can
// reach the row, one vector of boxes at a time.
class BoxIndex {
 public:
  void clear() { items_.clear(); }

  // `gate`: pairs whose IoU is not above it need not be reported.
  void add(const Box& box, double gate) { items_.push_back({box, gate}); }

  // Call after the last add() and before the first query.
  void build();

  std::size_t size() const { return items_.size(); }

  // Calls visit(item, iou) for every added box whose IoU with `row` is above its gate, and perhaps
  // for a few others: the test leaves room for rounding.
  template <class Visit>
  void for_each_overlap(const Box& row, Visit&& visit) {
    const double area = row.area();
    if (items_.empty()) return;
    const auto [begin, blocks] = mark(row, area);
    for (std::size_t block = 0; block < blocks; ++block) {
      for (std::uint64_t marks = marks_[block]; marks != 0;) {
        const int byte = std::countr_zero(marks) / 8;
        marks &= ~(std::uint64_t{0xff} << (8 * byte));
        const std::size_t j = begin + 8 * block + static_cast<std::size_t>(byte);
        visit(order_[j], iou(row, area, {x1_[j], y1_[j], x2_[j], y2_[j]}, area_[j]));
      }
    }
  }

 private:
  struct Item {
    Box box;
    double gate;
  };

  std::size_t strip(double x) const;

  struct Marked {
    std::size_t begin, blocks;
  };
  // Marks the boxes worth a look, eight a block from `begin` on.
  Marked mark(const Box& row, double area);

  std::vector<Item> items_;                              // as added
  std::vector<double> x1_, y1_, x2_, y2_, area_, gate_;  // by strip
  std::vector<std::int32_t> order_;                      // position -> item
  std::vector<std::uint32_t> starts_;    // strip -> first position; one more at the end
  std::vector<std::uint32_t> strip_of_;  // item -> strip
  std::vector<std::uint64_t> marks_;     // eight bytes a block
  double left_ = 0, strips_per_pixel_ = 0, last_strip_ = 0;
  double widest_ = 0;  // inclusive, like every overlap
  double least_gate_ = 0, slack_ = 0;
};

}  // namespace edgert::track
