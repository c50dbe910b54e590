// The solver against an exhaustive search, and against the conditions that only an optimum fulfils.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "check.hpp"
#include "track/assignment.hpp"

namespace {

using edgert::track::Assignment;
using Gains = std::vector<std::vector<double>>;  // row, column; 0: no edge

void fill(Assignment& assignment, const Gains& gains, std::size_t columns) {
  assignment.begin(columns);
  for (const auto& row : gains) {
    for (std::size_t column = 0; column < columns; ++column) {
      if (row[column] > 0) assignment.add(static_cast<std::int32_t>(column), row[column]);
    }
    assignment.end_row();
  }
}

// The total gain, after checking that the two directions of the answer agree.
double total(const Assignment& assignment, const Gains& gains) {
  double sum = 0;
  std::size_t pairs = 0;
  for (std::size_t row = 0; row < gains.size(); ++row) {
    const std::int32_t column = assignment.column_of_row()[row];
    if (column == Assignment::kNone) continue;
    CHECK(gains[row][static_cast<std::size_t>(column)] > 0);
    CHECK(assignment.row_of_column()[static_cast<std::size_t>(column)] ==
          static_cast<std::int32_t>(row));
    sum += gains[row][static_cast<std::size_t>(column)];
    ++pairs;
  }
  const auto columns = assignment.row_of_column();
  CHECK(pairs ==
        static_cast<std::size_t>(std::count_if(columns.begin(), columns.end(),
                                               [](auto row) { return row != Assignment::kNone; })));
  return sum;
}

double best(const Gains& gains, std::size_t row, std::vector<bool>& used) {
  if (row == gains.size()) return 0;
  double most = best(gains, row + 1, used);
  for (std::size_t column = 0; column < used.size(); ++column) {
    if (used[column] || gains[row][column] <= 0) continue;
    used[column] = true;
    most = std::max(most, gains[row][column] + best(gains, row + 1, used));
    used[column] = false;
  }
  return most;
}

Gains random_gains(std::mt19937& random, std::size_t rows, std::size_t columns, double density,
                   bool ties) {
  std::uniform_real_distribution<double> unit(0, 1);
  Gains gains(rows, std::vector<double>(columns, 0));
  for (auto& row : gains) {
    for (double& gain : row) {
      if (unit(random) < density) gain = ties ? 0.25 * std::ceil(4 * unit(random)) : unit(random);
    }
  }
  return gains;
}

void test_equals_exhaustive_search() {
  std::mt19937 random(1);
  Assignment assignment;  // one for all: a graph must leave nothing behind
  for (int round = 0; round < 20000; ++round) {
    const std::size_t rows = random() % 6, columns = random() % 7;
    const Gains gains =
        random_gains(random, rows, columns, 0.2 + 0.2 * (round % 5), round % 3 == 0);
    fill(assignment, gains, columns);
    assignment.solve();
    std::vector<bool> used(columns, false);
    CHECK(std::abs(total(assignment, gains) - best(gains, 0, used)) < 1e-12);
  }
}

// In a large matching no cycle and no alternating path may gain: Bellman-Ford finds none.
void test_large_graphs_cannot_be_improved() {
  std::mt19937 random(2);
  Assignment assignment;
  for (int round = 0; round < 30; ++round) {
    const std::size_t rows = 60 + random() % 60, columns = 60 + random() % 60;
    const Gains gains = random_gains(random, rows, columns, 0.02 + 0.02 * (round % 10), false);
    fill(assignment, gains, columns);
    assignment.solve();
    total(assignment, gains);
    // distance[row]: the best change of the total that frees this row for another column.
    std::vector<double> change(rows);
    const auto column_of = assignment.column_of_row();
    const auto row_of = assignment.row_of_column();
    for (std::size_t row = 0; row < rows; ++row) {
      change[row] = column_of[row] == Assignment::kNone
                        ? 0
                        : -gains[row][static_cast<std::size_t>(column_of[row])];
    }
    std::vector<double> value(rows);  // of alternating walks that start by leaving some row alone
    for (std::size_t row = 0; row < rows; ++row)
      value[row] = column_of[row] == Assignment::kNone ? 0 : -1e9;
    for (std::size_t pass = 0; pass <= rows; ++pass) {
      bool moved = false;
      for (std::size_t row = 0; row < rows; ++row) {
        if (value[row] < -1e8) continue;
        for (std::size_t column = 0; column < columns; ++column) {
          if (gains[row][column] <= 0 || static_cast<std::int32_t>(column) == column_of[row])
            continue;
          const double with = value[row] + gains[row][column];
          const std::int32_t owner = row_of[column];
          if (owner == Assignment::kNone) {
            CHECK(with < 1e-9);
          } else {
            const double without = with + change[static_cast<std::size_t>(owner)];
            CHECK(without < 1e-9);
            if (without > value[static_cast<std::size_t>(owner)] + 1e-12) {
              value[static_cast<std::size_t>(owner)] = without;
              moved = true;
            }
          }
        }
      }
      if (!moved) break;
      CHECK(pass < rows);
    }
  }
}

}  // namespace

int main() {
  test_equals_exhaustive_search();
  test_large_graphs_cannot_be_improved();
}
