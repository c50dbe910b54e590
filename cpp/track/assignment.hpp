// Which detection belongs to which track: the matching of a sparse graph with the largest total
// gain.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace edgert::track {

// Shortest augmenting paths with prices (Jonker and Volgenant, 1987) on a sparse graph in which
// rows and columns may stay alone. With gain = limit - cost this is the optimum of lap.lapjv(cost,
// extend_cost=True, cost_limit=limit): pairs at or over the limit cannot help it and need no edge.
//
// Rows enter one at a time. A search walks only along edges of its own connected component, and
// stops where leaving some row alone is cheaper, so components need not be formed.
class Assignment {
 public:
  static constexpr std::int32_t kNone = -1;

  // Forgets the last graph.
  void begin(std::size_t columns);

  // An edge of the current row; `gain` > 0. Each column at most once a row.
  void add(std::int32_t column, double gain) { edges_.push_back({column, gain}); }

  // Ends the current row, which may have no edges.
  void end_row() { row_starts_.push_back(static_cast<std::uint32_t>(edges_.size())); }

  void solve();

  // The partner of each, or kNone. Valid after solve().
  std::span<const std::int32_t> column_of_row() const { return column_of_; }
  std::span<const std::int32_t> row_of_column() const { return row_of_; }

 private:
  static constexpr double kFar = std::numeric_limits<double>::infinity();

  struct Edge {
    std::int32_t column;
    double gain;
  };
  struct Reached {  // a column that a search has come to, by way of row `from`
    double distance = kFar;
    std::int32_t from = kNone;
    bool settled = false;
  };
  struct Open {  // a reached column whose distance may still shrink
    double distance;
    std::int32_t column;
  };

  void insert(std::int32_t row);
  void search(std::int32_t row);
  std::int32_t pop_nearest(double before);
  void match(std::int32_t row, std::int32_t column);

  std::vector<Edge> edges_;
  std::vector<std::uint32_t> row_starts_;
  std::vector<std::int32_t> column_of_, row_of_;
  std::vector<double>
      profit_;  // of each row; profit + price >= gain on every edge, equal on matched ones
  std::vector<double> price_;  // of each column; 0 while it is free
  std::vector<Reached> reached_;
  std::vector<std::int32_t> touched_;
  std::vector<Open> open_;
};

}  // namespace edgert::track
