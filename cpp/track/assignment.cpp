#include "track/assignment.hpp"

#include <algorithm>

namespace edgert::track {

void Assignment::begin(std::size_t columns) {
  edges_.clear();
  row_starts_.assign(1, 0);
  row_of_.assign(columns, kNone);
  price_.assign(columns, 0);
  reached_.resize(columns);
}

void Assignment::solve() {
  const std::size_t rows = row_starts_.size() - 1;
  column_of_.assign(rows, kNone);
  profit_.assign(rows, 0);
  for (std::size_t row = 0; row < rows; ++row) insert(static_cast<std::int32_t>(row));
}

// Nearly every row ends here: its best column is free.
void Assignment::insert(std::int32_t row) {
  std::int32_t best = kNone;
  for (std::size_t e = row_starts_[row]; e < row_starts_[row + 1]; ++e) {
    const auto column = edges_[e].column;
    const double profit = edges_[e].gain - price_[column];
    if (profit > profit_[row]) {
      profit_[row] = profit;
      best = edges_[e].column;
    }
  }
  if (best == kNone) return;
  if (row_of_[best] == kNone) {
    match(row, best);
  } else {
    search(row);
  }
}

// Dijkstra over columns from `source`; an edge's length is profit + price - gain. The path ends at
// the nearest free column, or at the row whose partner is best taken away.
void Assignment::search(std::int32_t source) {
  double end_distance = profit_[source];  // leave the source alone
  std::int32_t end_column = kNone;        // the last column of the path; kNone: no path
  std::int32_t row = source;
  double row_distance = 0;
  for (;;) {
    for (std::size_t e = row_starts_[row]; e < row_starts_[row + 1]; ++e) {
      const std::int32_t column = edges_[e].column;
      const double distance = row_distance + (profit_[row] + price_[column] - edges_[e].gain);
      Reached& reached = reached_[column];
      if (reached.settled || !(distance < reached.distance) || !(distance < end_distance)) continue;
      if (reached.distance == kFar) touched_.push_back(column);
      reached.distance = distance;
      reached.from = row;
      if (row_of_[column] == kNone) {
        end_distance = distance;
        end_column = column;
      } else {
        open_.push_back({distance, column});
        std::push_heap(open_.begin(), open_.end(),
                       [](const Open& a, const Open& b) { return a.distance > b.distance; });
      }
    }
    const std::int32_t nearest = pop_nearest(end_distance);
    if (nearest == kNone) break;
    Reached& reached = reached_[nearest];
    reached.settled = true;
    row = row_of_[nearest];
    row_distance = reached.distance;
    if (row_distance + profit_[row] < end_distance) {
      end_distance = row_distance + profit_[row];
      end_column = nearest;
    }
  }

  profit_[source] -= end_distance;
  for (const std::int32_t column : touched_) {
    if (!reached_[column].settled) continue;
    const double rise = end_distance - reached_[column].distance;
    price_[column] += rise;
    profit_[static_cast<std::size_t>(row_of_[column])] -= rise;
  }
  if (end_column != kNone) {
    // A row that loses its partner is worth nothing alone: exactly so, whatever the rounding.
    const std::int32_t left_alone = row_of_[end_column];
    if (left_alone != kNone) {
      column_of_[left_alone] = kNone;
      profit_[left_alone] = 0;
    }
    for (std::int32_t column = end_column; column != kNone;) {
      const std::int32_t from = reached_[column].from;
      const std::int32_t next = column_of_[from];
      match(from, column);
      column = next;
    }
  } else {
    profit_[source] = 0;
  }

  for (const std::int32_t column : touched_) reached_[column] = {};
  touched_.clear();
  open_.clear();
}

// The unsettled column nearest to the source, if it is nearer than `before`.
std::int32_t Assignment::pop_nearest(double before) {
  while (!open_.empty() && open_.front().distance < before) {
    std::pop_heap(open_.begin(), open_.end(),
                  [](const Open& a, const Open& b) { return a.distance > b.distance; });
    const std::int32_t column = open_.back().column;
    open_.pop_back();
    if (!reached_[column].settled) return column;
  }
  return kNone;
}

void Assignment::match(std::int32_t row, std::int32_t column) {
  column_of_[row] = column;
  row_of_[column] = row;
}

}  // namespace edgert::track
